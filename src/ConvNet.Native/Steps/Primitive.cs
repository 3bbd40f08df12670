using System.Diagnostics;
using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>Implements one operation with the C kernels: defines the layouts of its tensors and adds its
/// steps.</summary>
internal abstract class Primitive(Operation operation)
{
    /// <summary>The operation.</summary>
    public Operation Operation { get; } = operation;

    /// <summary>Whether the primitive supports only plain tensors without a halo.</summary>
    public virtual bool PlainOnly => false;

    /// <summary>Returns whether the gradient of an input equals the gradient of the output, as for the residual input
    /// of a fused sum.</summary>
    public virtual bool PassesGradient(int input) => Operation.Sums && input == Operation.Inputs.Count - 1;

    /// <summary>Whether the backward pass multiplies the gradient of the output by the slope of a fused activation
    /// itself.</summary>
    public virtual bool TakesSlope => false;

    /// <summary>Whether the optimiser step of the parameters can run as part of the weight gradient.</summary>
    public virtual bool StepsInside => false;

    /// <summary>Whether the kernel of the weight gradient computes the gradient of the bias as well.</summary>
    public virtual bool BiasWithWeights => true;

    /// <summary>The preferred halo of the first input.</summary>
    public virtual int XHalo => 0;

    /// <summary>The preferred halo of the output gradient for computing the input gradient.</summary>
    public virtual int DYHalo => 0;

    /// <summary>Returns the tensor descriptor of an input, which its gradient shares. <see cref="Layouts"/> sets the
    /// halo.</summary>
    public abstract cn_tensor X(int input);

    /// <summary>The tensor descriptor of the output, which its gradient shares. <see cref="Layouts"/> sets the
    /// halo.</summary>
    public abstract cn_tensor Y { get; }

    /// <summary>Returns the packing of a parameter. The default is one value per channel.</summary>
    /// <param name="parameter">A parameter of the operation's node, or of the batch normalisation folded into
    /// it.</param>
    public virtual Packing PackingOf(Parameter parameter) => new VectorPacking(parameter.Length);

    /// <summary>Whether the backward pass may recompute the output instead of keeping it.</summary>
    public virtual bool RunsAgain => false;

    /// <summary>Adds a step to the backward pass that recomputes the output with identical bits.</summary>
    /// <param name="plan">The plan to add the step to.</param>
    /// <param name="y">The slot for the output.</param>
    public virtual void RunAgain(Lowering plan, Slot y)
        => throw new UnreachableException($"{Operation.Node} does not run again.");

    /// <summary>Returns the algorithm of a pass. Valid once the steps of the pass have been added.</summary>
    public virtual SumAlgorithm AlgorithmOf(SumPass pass) => SumAlgorithm.Direct;

    /// <summary>Adds the steps of the forward pass.</summary>
    public abstract void Forward(Lowering plan);

    /// <summary>Adds the steps of the backward pass.</summary>
    /// <param name="plan">The plan to add the steps to.</param>
    /// <param name="dy">The gradient of the output, after the slope of a fused activation unless
    /// <see cref="TakesSlope"/> is true.</param>
    public abstract void Backward(Lowering plan, Slot dy);
}
