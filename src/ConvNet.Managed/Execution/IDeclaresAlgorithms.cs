namespace ConvNet;

/// <summary>An executable that computes some sums otherwise than directly, and says which.</summary>
/// <remarks>The checks hold what it says to the error that <see cref="DeclaredAccuracy"/> allows the algorithm; all
/// sums of any other executable are direct.</remarks>
public interface IDeclaresAlgorithms
{
    /// <summary>The algorithm of a node's pass, in training where the executable trains.</summary>
    SumAlgorithm AlgorithmOf(Node node, SumPass pass);
}
