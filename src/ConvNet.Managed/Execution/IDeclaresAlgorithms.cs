namespace ConvNet;

/// <summary>An executable that declares the algorithms by which it computes sums.</summary>
/// <remarks>The gradient checks apply the error bound of the declared algorithm. An executable without this interface
/// computes all sums directly.</remarks>
public interface IDeclaresAlgorithms
{
    /// <summary>Gets the algorithm of a pass of a node; that of training if the executable trains.</summary>
    SumAlgorithm AlgorithmOf(Node node, SumPass pass);
}
