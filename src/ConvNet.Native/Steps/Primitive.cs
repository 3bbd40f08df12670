using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>How one operation runs on the C kernels: the layouts that it takes, and the steps that it
/// becomes.</summary>
internal abstract class Primitive(Operation operation)
{
    /// <summary>The operation.</summary>
    public Operation Operation { get; } = operation;

    /// <summary>Whether it takes and gives plain tensors without a halo only.</summary>
    public virtual bool PlainOnly => false;

    /// <summary>Whether the gradient of an input is the gradient of the output as it is: what a sum inside
    /// adds.</summary>
    public virtual bool PassesGradient(int input) => Operation.Sums && input == Operation.Inputs.Count - 1;

    /// <summary>Whether its backward pass takes the gradient of its output uncut, and cuts it itself where there was a
    /// ReLU.</summary>
    public virtual bool CutsGradient => false;

    /// <summary>Whether its parameters can take the optimiser's step inside the gradient of the weights.</summary>
    public virtual bool StepsInside => false;

    /// <summary>The halo of its first input with which it runs best.</summary>
    public virtual int XHalo => 0;

    /// <summary>The halo of its output's gradient with which the gradient of the input is computed best.</summary>
    public virtual int DYHalo => 0;

    /// <summary>How an input is read; its gradient lies the same way. The halo is for <see cref="Layouts"/> to fill
    /// in.</summary>
    public abstract cn_tensor X(int input);

    /// <summary>How the output is written; its gradient lies the same way. The halo is for <see cref="Layouts"/> to
    /// fill in.</summary>
    public abstract cn_tensor Y { get; }

    /// <summary>How a parameter is packed: one value per channel unless the primitive says otherwise.</summary>
    /// <param name="parameter">A parameter of the operation's node, or of the batch normalisation that was folded into
    /// it.</param>
    public virtual Packing PackingOf(Parameter parameter) => new VectorPacking(parameter.Length);

    /// <summary>Whether the backward pass may compute the output again instead of keeping it.</summary>
    public virtual bool RunsAgain => false;

    /// <summary>Adds a step to the backward pass that computes the output again, with the same bits.</summary>
    /// <param name="plan">Where to.</param>
    /// <param name="y">Memory for it.</param>
    public virtual void RunAgain(Lowering plan, Slot y)
        => throw new InvalidOperationException($"{Operation.Node} does not run again.");

    /// <summary>The algorithm of a pass, once its steps have been added.</summary>
    public virtual SumAlgorithm AlgorithmOf(SumPass pass) => SumAlgorithm.Direct;

    /// <summary>Adds the steps of the forward pass.</summary>
    public abstract void Forward(Lowering plan);

    /// <summary>Adds the steps of the backward pass.</summary>
    /// <param name="plan">Where to.</param>
    /// <param name="dy">The gradient of the output, behind the cut of a fused ReLU.</param>
    public abstract void Backward(Lowering plan, Slot dy);
}
