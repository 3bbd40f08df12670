using BenchmarkDotNet.Attributes;
using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Bench;

/// <summary>The overhead of a step besides its arithmetic: calls into the library, waking and joining threads, and
/// layout conversions.</summary>
public unsafe class SmallWorkBench : IDisposable
{
    // Enough work for several threads; a smaller call runs on one.
    private const int Rounds = 8192;

    private readonly cn_tensor _plain = new(64, 56, 56, 0, cn_layout.CN_PLAIN),
        _blocked = new(64, 56, 56, 1, cn_layout.CN_BLOCKED);
    private NativeBackend _backend = null!;
    private NativeBlock _counts = null!, _image = null!, _blocks = null!;

    [Params(1, 2)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Prepare()
    {
        _backend = new NativeBackend(Threads);
        _counts = new NativeBlock(Threads * CN_BLOCK, clear: true);
        _image = new NativeBlock(cn_tensor_bytes(_plain, 1).FloatsOrThrow(), clear: true);
        _blocks = new NativeBlock(cn_tensor_bytes(_blocked, 1).FloatsOrThrow(), clear: true);
    }

    /// <summary>A trivial call: the cost of the transition from C# to C and back.</summary>
    [Benchmark]
    public long PInvoke() => cn_tensor_bytes(_plain, 1);

    /// <summary>Equal work for every thread. The extra time with two threads is the cost of waking and joining
    /// them.</summary>
    [Benchmark]
    public int ForkJoin() => cn_fma_rounds(_backend.Context, Rounds, _counts.Pointer);

    [Benchmark]
    public int PlainToBlocked() => cn_reorder(_backend.Context, _plain, _blocked, 1, _image.Pointer, _blocks.Pointer);

    [Benchmark]
    public int BlockedToPlain() => cn_reorder(_backend.Context, _blocked, _plain, 1, _blocks.Pointer, _image.Pointer);

    [GlobalCleanup]
    public void Dispose()
    {
        _counts.Dispose();
        _image.Dispose();
        _blocks.Dispose();
        _backend.Dispose();
        GC.SuppressFinalize(this);
    }
}
