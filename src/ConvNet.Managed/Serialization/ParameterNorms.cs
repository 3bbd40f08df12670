using System.Numerics.Tensors;

namespace ConvNet.Serialization;

/// <summary>The Euclidean norms of a parameter and of its gradient, for logs.</summary>
/// <param name="Parameter">The parameter.</param>
/// <param name="Weight">The norm of its values.</param>
/// <param name="Gradient">The norm of its gradient; null if it is not trained, or its gradient is not kept.</param>
internal readonly record struct ParameterNorms(Parameter Parameter, double Weight, double? Gradient)
{
    /// <summary>Computes the norms of all parameters of an executable, in the order of the graph.</summary>
    public static IEnumerable<ParameterNorms> Of(IExecutable executable)
    {
        foreach (Parameter parameter in executable.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            executable.Read(parameter, values);
            double weight = TensorPrimitives.Norm(values);
            double? gradient = null;
            if (parameter.Trainable && executable.Spec!.KeepGradients && !executable.IsFrozen(parameter))
            {
                executable.ReadGradient(parameter, values);
                gradient = TensorPrimitives.Norm(values);
            }
            yield return new ParameterNorms(parameter, weight, gradient);
        }
    }
}
