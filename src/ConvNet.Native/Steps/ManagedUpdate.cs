using System.Runtime.CompilerServices;
using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>An optimiser without a kernel. Runs in C#: on the packed values if it is elementwise, otherwise on plain
/// copies.</summary>
internal sealed unsafe class ManagedUpdate : IDisposable
{
    // Long parameters are split, because the length of a span is limited to 2^31 − 1.
    private const int Run = 1 << 20;

    private readonly Optimizer _optimizer;
    private readonly cn_context _context;
    private readonly NativeBlock _plain;
    private readonly int _names;

    /// <summary>Allocates the plain copies for the largest parameter, if the optimiser needs them.</summary>
    /// <param name="optimizer">The optimiser.</param>
    /// <param name="parameters">The parameters that it updates.</param>
    /// <param name="context">The context that makes the copies.</param>
    public ManagedUpdate(Optimizer optimizer, IReadOnlyList<Parameter> parameters, cn_context context)
    {
        (_optimizer, _context, _names) = (optimizer, context, optimizer.StateNames.Count);
        int longest = optimizer is ElementwiseOptimizer ? 0 : parameters.Select(p => p.Length).DefaultIfEmpty().Max();
        _plain = new NativeBlock((2L + _names) * longest, clear: false);
    }

    /// <summary>Updates one parameter.</summary>
    /// <param name="step">The context of the step.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="packing">The packing of the parameter.</param>
    /// <param name="memory">The memory of the parameter.</param>
    public void Move(in UpdateContext step, Parameter parameter, Packing packing, in PackedParameter memory)
    {
        try
        {
            if (_optimizer is ElementwiseOptimizer)
                MovePacked(step, parameter, packing.Floats, memory);
            else
                MovePlain(step, parameter, packing, memory);
        }
        catch (Exception error) when (FailurePlace.Note(error, $"{parameter.Name} ({_optimizer.GetType().Name})"))
        {
            throw;
        }
    }

    /// <summary>Frees the copies.</summary>
    public void Dispose() => _plain.Dispose();

    private void MovePacked(in UpdateContext step, Parameter parameter, long floats, in PackedParameter memory)
    {
        for (long start = 0; start < floats; start += Run)
        {
            int length = (int)Math.Min(Run, floats - start);
            StateSpans<float> state = State(memory.State + start, memory.Stride, length);
            _optimizer.Move<float>(step, parameter, new ReadOnlySpan<float>(memory.Gradient + start, length),
                new Span<float>(memory.Values + start, length), state);
        }
    }

    private StateSpans<float> State(float* first, long stride, int length)
        => new(ref Unsafe.AsRef<float>(first), (nint)stride, length, _names);

    private void MovePlain(in UpdateContext step, Parameter parameter, Packing packing, in PackedParameter memory)
    {
        int length = parameter.Length;
        Span<float> g = new(_plain.Pointer, length), w = new(_plain.Pointer + length, length);
        StateSpans<float> state = State(_plain.Pointer + 2L * length, length, length);
        packing.Unpack(_context, memory.Gradient, g);
        packing.Unpack(_context, memory.Values, w);
        for (int i = 0; i < _names; i++)
            packing.Unpack(_context, memory.State + i * memory.Stride, state[i]);
        _optimizer.Move<float>(step, parameter, g, w, state);
        packing.Pack(_context, w, memory.Values);
        for (int i = 0; i < _names; i++)
            packing.Pack(_context, state[i], memory.State + i * memory.Stride);
    }
}

/// <summary>The memory of a packed parameter.</summary>
/// <param name="gradient">The gradient.</param>
/// <param name="values">The values.</param>
/// <param name="state">The first state tensor.</param>
/// <param name="stride">The distance between state tensors, in floats.</param>
internal readonly unsafe struct PackedParameter(float* gradient, float* values, float* state, long stride)
{
    /// <summary>The gradient.</summary>
    public float* Gradient => gradient;

    /// <summary>The values.</summary>
    public float* Values => values;

    /// <summary>The first state tensor. Null if there is none.</summary>
    public float* State => state;

    /// <summary>The distance between state tensors, in floats.</summary>
    public long Stride => stride;
}
