using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ConvNet.Models;
using ConvNet.Native.Interop;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>Pools of threads that backends share, and threads that the program brings.</summary>
public sealed unsafe class NativeThreadsTests
{
    private const int Batch = 3;

    [Test]
    public void BackendsThatShareAPoolTrainAtTheSameTimeWithTheBitsOfOneThread([Values(0, 100, 1000)] int spin)
    {
        int[] expected = Train(threads: 1, pool: null);
        using var pool = new NativeThreads(TimeSpan.FromMicroseconds(spin));
        using NativeBackend first = Parallel(2, pool), second = Parallel(3, pool);
        Assert.That(first.Context.pool, Is.EqualTo(second.Context.pool).And.Not.Zero);
        var bits = new ConcurrentBag<int[]>();
        Thread[] callers = [.. ((NativeBackend[])[first, second, first, second])
            .Select(backend => new Thread(() => bits.Add(Train(backend))))];
        Array.ForEach(callers, caller => caller.Start());
        Array.ForEach(callers, caller => caller.Join());
        Assert.That(bits, Has.Count.EqualTo(callers.Length).And.All.EqualTo(expected));
    }

    [Test]
    public void ThreadsOfTheProgramComputeTheSameBits()
    {
        int[] expected = Train(threads: 1, pool: null);
        int calls = 0, most = 0;
        using var pool = new NativeThreads((count, share) =>
        {
            Interlocked.Increment(ref calls);
            most = Math.Max(most, count);
            System.Threading.Tasks.Parallel.For(0, count, share);
        });
        Assert.That(Train(threads: 4, pool), Is.EqualTo(expected));
        Assert.That(calls, Is.GreaterThan(20));
        Assert.That(most, Is.InRange(2, 4));
    }

    [Test]
    public void SharesMayRunInAnyOrderOnOneThread()
    {
        using var pool = new NativeThreads((count, share) =>
        {
            for (int index = count - 1; index >= 0; index--)
                share(index);
        });
        Assert.That(Train(threads: 5, pool), Is.EqualTo(Train(threads: 1, pool: null)));
    }

    [Test]
    public void ADisposedPoolLivesAsLongAsABackendOrAnExecutableUsesIt()
    {
        var pool = new NativeThreads(TimeSpan.Zero);
        var backend = Parallel(2, pool);
        NativePlan net = Compile(backend);
        pool.Dispose();
        Assert.That(Assert.Throws<ObjectDisposedException>(() => new NativeBackend(pool: pool))!.ObjectName,
            Does.Contain(nameof(NativeThreads)));
        Infer(net);
        using (NativePlan later = Compile(backend))
            Infer(later);
        backend.Dispose();
        Assert.That(pool.HaveEnded, Is.False, "the executable has not been disposed");
        net.Dispose();
        Assert.That(pool.HaveEnded, Is.True);
        backend.Dispose();
        pool.Dispose();
    }

    [Test]
    public void APoolOutlivesItsBackends()
    {
        using var pool = new NativeThreads();
        using (var backend = Parallel(2, pool))
            Train(backend);
        Assert.That(pool.HaveEnded, Is.False);
        Assert.That(Train(threads: 2, pool), Is.EqualTo(Train(threads: 1, pool: null)));
        pool.Dispose();
        Assert.That(pool.HaveEnded, Is.True);
    }

    [Test]
    public void APlanThatIsOnlyExplainedUsesThePoolNoLonger()
    {
        using var pool = new NativeThreads();
        using (var backend = Parallel(2, pool))
            backend.ExplainInference(BuiltInModels.Create("digits"), Batch);
        pool.Dispose();
        Assert.That(pool.HaveEnded, Is.True);
    }

    [Test]
    public void SpinTimesAreFromNothingToASecond()
    {
        foreach (TimeSpan spin in (TimeSpan[])[TimeSpan.FromTicks(-1), TimeSpan.FromSeconds(1) + TimeSpan.FromTicks(1)])
        {
            Assert.That(Assert.Throws<ArgumentOutOfRangeException>(() => new NativeThreads(spin))!.Message,
                Does.Contain($"{spin}").And.Contain("from 0 to 1 second"));
        }
        Assert.Throws<ArgumentNullException>(() => new NativeThreads((ParallelShares)null!));
        new NativeThreads(TimeSpan.FromSeconds(1)).Dispose();
    }

    [Test]
    public void AShareIsComputedOnceAndNoneIsLeftOut()
    {
        var shares = new ThreadsHandle.Shares(3, &ComputeNothing, null);
        shares.Compute(2);
        Assert.That(Assert.Throws<InvalidOperationException>(() => shares.Compute(2))!.Message,
            Does.Contain("Share 2 of 3").And.Contain("only once"));
        foreach (int index in (int[])[-1, 3])
            Assert.Throws<ArgumentOutOfRangeException>(() => shares.Compute(index));
        shares.Compute(0);
        Assert.That(Assert.Throws<InvalidOperationException>(shares.CheckAllComputed)!.Message,
            Does.Contain("Share 1 of 3"));
        shares.Compute(1);
        shares.CheckAllComputed();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void ComputeNothing(void* state, int index)
    {
    }

    private static NativeBackend Parallel(int threads, NativeThreads? pool)
        => new(threads, pool: pool) { SerialOperations = 1 };

    private static NativePlan Compile(NativeBackend backend)
    {
        NativePlan net = backend.CompileInference(BuiltInModels.Create("digits"), Batch);
        net.Initialize(new HeNormal(1));
        return net;
    }

    private static void Infer(NativePlan net)
        => net.Infer(NativeRun.Values(Batch * net.Graph.Input.Shape.Length, 1),
            new float[Batch * net.Graph.Output.Shape.Length]);

    private static int[] Train(int threads, NativeThreads? pool)
    {
        using NativeBackend backend = Parallel(threads, pool);
        return Train(backend);
    }

    private static int[] Train(NativeBackend backend)
        => NativeRun.TrainTwoSteps(BuiltInModels.Create("digits"), Batch, backend);
}
