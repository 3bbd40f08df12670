using System.Numerics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace ConvNet;

/// <summary>The memory of one node during a pass of its layer. Every span is dense NCHW and holds N samples.</summary>
internal sealed record NodeMemory<T>
    where T : unmanaged
{
    /// <summary>The name of the node and its layer, for error messages.</summary>
    public required string Name { get; init; }

    /// <summary>What the backward pass may read besides the gradient of its output.</summary>
    public required BackwardReads Reads { get; init; }

    /// <summary>The shapes of the inputs, for one sample.</summary>
    public required Shape[] XShapes { get; init; }

    /// <summary>The shape of the output, for one sample.</summary>
    public required Shape YShape { get; init; }

    /// <summary>The values of the inputs.</summary>
    public required Memory<T>[] X { get; init; }

    /// <summary>The values of the output.</summary>
    public required Memory<T> Y { get; init; }

    /// <summary>Parameters and buffers in the layer's order.</summary>
    public required Memory<T>[] W { get; init; }

    /// <summary>The values that the forward pass saves for the backward pass.</summary>
    public Memory<T> Saved { get; init; }

    /// <summary>The gradient of the output.</summary>
    public Memory<T> DY { get; set; }

    /// <summary>The gradients of the inputs; empty for a gradient that is not needed.</summary>
    public Memory<T>[] DX { get; set; } = [];

    /// <summary>The gradients of the parameters; empty for a buffer.</summary>
    public Memory<T>[] DW { get; set; } = [];

    /// <summary>The key of the node's random numbers.</summary>
    public ulong Seed { get; init; }

    /// <summary>The node's index in its graph.</summary>
    public int NodeIndex { get; init; }

    /// <summary>The maximum number of threads.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Selects a sample of the results to compute; null computes all of them.</summary>
    public Func<int, int[]>? Sample { get; init; }
}

/// <summary>The view a layer has of one node: inputs, output, parameters and their gradients, as dense NCHW
/// spans.</summary>
/// <remarks>
/// Notation: x is an input, y the output, w a parameter; the prefix d marks a gradient. Data is batch-first: x(i) has
/// N·C·H·W values. A forward pass writes all of <see cref="Y"/>. A backward pass writes all of every requested
/// <see cref="DX"/> and <see cref="DW"/>; it overwrites and does not accumulate.
/// </remarks>
/// <typeparam name="T">The element type: float or double.</typeparam>
public readonly struct Frame<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly NodeMemory<T> _memory;
    private readonly bool _backward;

    internal Frame(NodeMemory<T> memory, int n, bool training, long pass, int firstSample = 0, bool backward = false,
        IStatisticsExchange? statistics = null)
    {
        (_memory, N, Training, Pass, FirstSample, _backward) = (memory, n, training, pass, firstSample, backward);
        Statistics = training ? statistics : null;
    }

    /// <summary>The number of samples in this batch.</summary>
    public int N { get; }

    /// <summary>True in a training pass; false in inference, and in both passes of a frozen layer.</summary>
    public bool Training { get; }

    /// <summary>The number of training forward passes before this one. It keys random numbers together with
    /// <see cref="Seed"/>.</summary>
    public long Pass { get; }

    /// <summary>The index of the first sample in the whole batch, which several executables may share. The random
    /// numbers of a sample are keyed by its index in the whole batch.</summary>
    public int FirstSample { get; }

    /// <summary>What adds up statistics over the executables that share the batch; null if those of this batch are
    /// used, and in inference.</summary>
    internal IStatisticsExchange? Statistics { get; }

    /// <summary>The seed of the executable's random numbers.</summary>
    public ulong Seed => _memory.Seed;

    /// <summary>The index of the node in its graph.</summary>
    public int NodeIndex => _memory.NodeIndex;

    /// <summary>The number of inputs.</summary>
    public int InputCount => _memory.XShapes.Length;

    /// <summary>Returns the shape of one sample of input <paramref name="i"/>.</summary>
    public Shape XShape(int i) => _memory.XShapes[i];

    /// <summary>The shape of one sample of the output.</summary>
    public Shape YShape => _memory.YShape;

    /// <summary>Returns the values of input <paramref name="i"/>.</summary>
    /// <exception cref="InvalidOperationException">
    /// The call comes from a backward pass, and <see cref="Layer.BackwardReads"/> does not include the inputs.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The layer has no input <paramref name="i"/>.</exception>
    public ReadOnlySpan<T> X(int i)
    {
        CheckRead("x", BackwardReads.Inputs);
        return _memory.X[Input(i)].Span[..(N * _memory.XShapes[i].Length)];
    }

    /// <summary>The values of the output.</summary>
    /// <exception cref="InvalidOperationException">
    /// The access comes from a backward pass, and <see cref="Layer.BackwardReads"/> does not include the output.
    /// </exception>
    public Span<T> Y
    {
        get
        {
            CheckRead("y", BackwardReads.Output);
            return _memory.Y.Span[..(N * _memory.YShape.Length)];
        }
    }

    /// <summary>The gradient of the output.</summary>
    /// <exception cref="InvalidOperationException">This is a forward pass.</exception>
    public ReadOnlySpan<T> DY
    {
        get
        {
            CheckBackward("dy");
            return _memory.DY.Span[..(N * _memory.YShape.Length)];
        }
    }

    /// <summary>Returns whether the gradient of input <paramref name="i"/> is needed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer has no input <paramref name="i"/>.</exception>
    public bool WantsDX(int i) => _backward && !_memory.DX[Input(i)].IsEmpty;

    /// <summary>Returns the gradient of input <paramref name="i"/>, if it is needed.</summary>
    /// <exception cref="InvalidOperationException">The gradient is not needed, or this is a forward pass.</exception>
    public Span<T> DX(int i)
    {
        CheckBackward("dx");
        return WantsDX(i)
            ? _memory.DX[i].Span[..(N * _memory.XShapes[i].Length)]
            : throw new InvalidOperationException(
                $"{_memory.Name}: the gradient dx of input {i} is not needed. Write it only if WantsDX({i}).");
    }

    /// <summary>Returns parameter or buffer <paramref name="i"/>, in the order of <see cref="Layer.Parameters"/>. Only
    /// buffers may be written.</summary>
    public Span<T> W(int i) => _memory.W[i].Span;

    /// <summary>Returns whether the gradient of parameter <paramref name="i"/> is needed.</summary>
    public bool WantsDW(int i) => _backward && !_memory.DW[i].IsEmpty;

    /// <summary>Returns the gradient of parameter <paramref name="i"/>, if it is needed.</summary>
    /// <exception cref="InvalidOperationException">The gradient is not needed, as for a buffer or a frozen parameter,
    /// or this is a forward pass.</exception>
    public Span<T> DW(int i)
    {
        CheckBackward("dw");
        return WantsDW(i)
            ? _memory.DW[i].Span
            : throw new InvalidOperationException(
                $"{_memory.Name}: the gradient dw of parameter {i} is not needed. Write it only if WantsDW({i}).");
    }

    /// <summary>The values that the forward pass saves for the backward pass, <see cref="Layer.SavedLength"/> of
    /// them.</summary>
    public Span<T> Saved => _memory.Saved.Span;

    /// <summary>Calls <paramref name="body"/> for 0 to <paramref name="count"/> − 1, on several threads if
    /// available.</summary>
    /// <remarks>
    /// A call must write only memory that no other call reads or writes. The result then does not depend on the number
    /// of threads. If calls throw, the exception of the lowest index is rethrown unchanged.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="body"/> is null.</exception>
    public void For(int count, Action<int> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        if (_memory.Sample is { } sample)
        {
            int[] indices = sample(count);
            Action<int> every = body;
            (count, body) = (indices.Length, i => every(indices[i]));
        }
        if (_memory.Threads == 1 || count == 1)
        {
            for (int i = 0; i < count; i++)
                body(i);
            return;
        }
        ForOnThreads(count, body, _memory.Threads);
    }

    /// <summary>Runs the forward pass of a layer and records the origin of an exception.</summary>
    internal void RunForward(Layer layer)
    {
        try
        {
            layer.Forward(this);
        }
        catch (Exception error) when (FailurePlace.Note(error, _memory.Name))
        {
            throw;
        }
    }

    /// <summary>Runs the backward pass of a layer and records the origin of an exception.</summary>
    internal void RunBackward(Layer layer)
    {
        try
        {
            layer.Backward(this);
        }
        catch (Exception error) when (FailurePlace.Note(error, _memory.Name))
        {
            throw;
        }
    }

    // If a call throws, all calls with a lower index still run. The exception is the one a single thread would meet
    // first.
    private static void ForOnThreads(int count, Action<int> body, int threads)
    {
        var gate = new Lock();
        int first = int.MaxValue;
        Exception? failure = null;
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, (i, loop) =>
        {
            try
            {
                body(i);
            }
            catch (Exception error)
            {
                lock (gate)
                    (first, failure) = i < first ? (i, error) : (first, failure);
                loop.Break();
            }
        });
        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
    }

    private int Input(int i) => (uint)i < (uint)InputCount
        ? i
        : throw new ArgumentOutOfRangeException(nameof(i),
            $"{_memory.Name}: there is no input {i}; the node has {InputCount}.");

    private void CheckRead(string value, BackwardReads needed)
    {
        if (_backward && !_memory.Reads.HasFlag(needed))
            throw new InvalidOperationException($"{_memory.Name}: the backward pass reads {value}, "
                + $"but BackwardReads is {_memory.Reads}. Add BackwardReads.{needed}.");
    }

    private void CheckBackward(string value)
    {
        if (!_backward)
            throw new InvalidOperationException(
                $"{_memory.Name}: the forward pass uses the gradient {value}, which exists only in the backward pass.");
    }
}

/// <summary>Storage for outputs that are sums with error bounds. Absent if a sum is a plain value.</summary>
internal sealed class SumMemory<TSum>
{
    /// <summary>The output.</summary>
    public TSum[] Y { get; init; } = [];

    /// <summary>The gradients of the inputs.</summary>
    public TSum[][] DX { get; init; } = [];

    /// <summary>The gradients of the parameters.</summary>
    public TSum[][] DW { get; init; } = [];
}

/// <summary>A <see cref="Frame{T}"/> whose results are sums, for layers made of dot products.</summary>
/// <typeparam name="T">The element type.</typeparam>
/// <typeparam name="TSum">The accumulator type of a sum.</typeparam>
public readonly struct Frame<T, TSum>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TSum : unmanaged, ISum<T, TSum>
{
    private readonly Frame<T> _plain;
    private readonly SumMemory<TSum>? _sums;

    internal Frame(Frame<T> plain, SumMemory<TSum>? sums = null)
    {
        (_plain, _sums) = (plain, sums);
    }

    /// <inheritdoc cref="Frame{T}.N"/>
    public int N => _plain.N;

    /// <inheritdoc cref="Frame{T}.InputCount"/>
    public int InputCount => _plain.InputCount;

    /// <inheritdoc cref="Frame{T}.XShape"/>
    public Shape XShape(int i) => _plain.XShape(i);

    /// <inheritdoc cref="Frame{T}.YShape"/>
    public Shape YShape => _plain.YShape;

    /// <inheritdoc cref="Frame{T}.X"/>
    public ReadOnlySpan<T> X(int i) => _plain.X(i);

    /// <inheritdoc cref="Frame{T}.W"/>
    public ReadOnlySpan<T> W(int i) => _plain.W(i);

    /// <inheritdoc cref="Frame{T}.DY"/>
    public ReadOnlySpan<T> DY => _plain.DY;

    /// <inheritdoc cref="Frame{T}.WantsDW"/>
    public bool WantsDW(int i) => _plain.WantsDW(i);

    /// <inheritdoc cref="Frame{T}.WantsDX"/>
    public bool WantsDX(int i) => _plain.WantsDX(i);

    /// <inheritdoc cref="Frame{T}.Y"/>
    public Span<TSum> Y => _sums is null ? MemoryMarshal.Cast<T, TSum>(_plain.Y) : _sums.Y;

    /// <inheritdoc cref="Frame{T}.DX"/>
    public Span<TSum> DX(int i) => _sums is null ? MemoryMarshal.Cast<T, TSum>(_plain.DX(i)) : _sums.DX[i];

    /// <inheritdoc cref="Frame{T}.DW"/>
    public Span<TSum> DW(int i) => _sums is null ? MemoryMarshal.Cast<T, TSum>(_plain.DW(i)) : _sums.DW[i];

    /// <inheritdoc cref="Frame{T}.For"/>
    public void For(int count, Action<int> body) => _plain.For(count, body);
}
