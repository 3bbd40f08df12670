using System.Runtime.CompilerServices;
using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>An optimiser without a kernel. Runs in C#: on the packed values if it is elementwise, otherwise on plain
/// copies.</summary>
internal sealed unsafe class ManagedUpdate : IDisposable
{
    // Parameters of an elementwise rule are split into runs, which the threads share.
    private const int Run = 1 << 15;

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
        int longest = optimizer.IsElementwise ? 0 : parameters.Select(p => p.Length).DefaultIfEmpty().Max();
        _plain = new NativeBlock((2L + _names) * longest, clear: false);
    }

    /// <summary>Updates parameters.</summary>
    /// <param name="updates">The parameters.</param>
    public void Move(IReadOnlyList<PackedUpdate> updates)
    {
        // A rule of the user's own need not be safe for several threads. Kernels that unpack run on several by
        // themselves.
        if (_optimizer.IsElementwise && !_optimizer.MayThrow && _context.threads > 1)
        {
            (PackedUpdate Update, long Start)[] runs = [.. updates.SelectMany(update => Starts(update)
                .Select(start => (update, start)))];
            Parallel.For(0, runs.Length, new ParallelOptions { MaxDegreeOfParallelism = _context.threads },
                i => MoveRun(runs[i].Update, runs[i].Start));
            return;
        }
        foreach (PackedUpdate update in updates)
            Move(update);
    }

    private void Move(in PackedUpdate update)
    {
        try
        {
            if (!_optimizer.IsElementwise)
                MovePlain(update);
            else
                foreach (long start in Starts(update))
                    MoveRun(update, start);
        }
        catch (Exception error) when (FailurePlace.Note(error,
            $"{update.Parameter.Name} ({_optimizer.GetType().Name})"))
        {
            throw;
        }
    }

    /// <summary>Frees the copies.</summary>
    public void Dispose() => _plain.Dispose();

    private static IEnumerable<long> Starts(PackedUpdate update)
    {
        for (long start = 0; start < update.Packing.Floats; start += Run)
            yield return start;
    }

    private void MoveRun(in PackedUpdate update, long start)
    {
        PackedParameter memory = update.Memory;
        int length = (int)Math.Min(Run, update.Packing.Floats - start);
        StateSpans<float> state = State(memory.State + start, memory.Stride, length);
        _optimizer.Move<float>(update.Context, update.Parameter,
            new ReadOnlySpan<float>(memory.Gradient + start, length), new Span<float>(memory.Values + start, length),
            state);
    }

    private StateSpans<float> State(float* first, long stride, int length)
        => new(ref Unsafe.AsRef<float>(first), (nint)stride, length, _names);

    private void MovePlain(in PackedUpdate update)
    {
        (UpdateContext step, Parameter parameter, Packing packing, PackedParameter memory) = update;
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

/// <summary>The update of a packed parameter.</summary>
/// <param name="Context">The context of the step.</param>
/// <param name="Parameter">The parameter.</param>
/// <param name="Packing">The packing of the parameter.</param>
/// <param name="Memory">The memory of the parameter.</param>
internal readonly record struct PackedUpdate(UpdateContext Context, Parameter Parameter, Packing Packing,
    PackedParameter Memory);

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
