using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using TorchAdam = TorchSharp.Modules.Adam;
using TorchAdamW = TorchSharp.Modules.AdamW;

namespace ConvNet;

/// <summary>What torch's optimisers keep for a parameter, by torch's own names.</summary>
internal static class TorchStates
{
    /// <summary>The state of a name; null before the first step where torch makes it then.</summary>
    public static Tensor? Tensor(this OptimizerState state, string name) => Place(state, name);

    /// <summary>Writes the state of a name.</summary>
    /// <param name="state">What torch keeps for the parameter.</param>
    /// <param name="name">The name.</param>
    /// <param name="values">The values.</param>
    /// <param name="shape">The parameter's sizes.</param>
    /// <param name="steps">Steps made.</param>
    public static void Write(this OptimizerState state, string name, ReadOnlySpan<float> values, long[] shape,
        long steps)
    {
        ref Tensor? place = ref Place(state, name);
        if (place is null)
        {
            using DisposeScope scope = NewDisposeScope();
            place = zeros(shape).DetachFromDisposeScope();
        }
        place.WriteFloats(values);
        if (state is TorchAdam.State adam)
            adam.step = steps;
        if (state is TorchAdamW.State adamW)
            adamW.step = steps;
    }

    private static ref Tensor? Place(OptimizerState state, string name)
    {
        switch ((state, name))
        {
            case (SGD.State sgd, "momentum_buffer"):
                return ref sgd.momentum_buffer!;
            case (TorchAdam.State adam, "exp_avg"):
                return ref adam.exp_avg!;
            case (TorchAdam.State adam, "exp_avg_sq"):
                return ref adam.exp_avg_sq!;
            case (TorchAdamW.State adam, "exp_avg"):
                return ref adam.exp_avg!;
            case (TorchAdamW.State adam, "exp_avg_sq"):
                return ref adam.exp_avg_sq!;
            default:
                throw new InvalidOperationException($"{state.GetType()} has no {name}.");
        }
    }
}
