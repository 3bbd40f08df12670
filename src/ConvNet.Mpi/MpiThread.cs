using System.Collections.Concurrent;
using System.Diagnostics;
using ConvNet.Mpi.Interop;
using ConvNet.Mpi.Operations;
using ConvNet.Mpi.Watching;

namespace ConvNet.Mpi;

/// <summary>The thread that makes all calls of MPI.</summary>
internal sealed class MpiThread : IDisposable
{
    // While operations are in progress, the thread first yields and then sleeps between two looks at them.
    private const int Yields = 100, PauseMicroseconds = 50;

    private static readonly TimeSpan s_idle = TimeSpan.FromMilliseconds(50), s_farewell = TimeSpan.FromSeconds(1);

    private readonly MpiOptions _options;
    private readonly Thread _thread;
    private readonly ConcurrentQueue<Action> _asked = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly TaskCompletionSource _ready = new();
    private readonly List<MpiOperation> _active = [];
    private readonly List<Sending> _sent = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private RankWatch? _watch;
    private bool _isDisposed, _leaves;

    private volatile Exception? _failure;

    private MpiThread(MpiOptions options)
    {
        _options = options;
        _thread = new Thread(Work) { IsBackground = true, Name = "convnet mpi" };
    }

    /// <summary>The rank of this process.</summary>
    public int Rank { get; private set; }

    /// <summary>The processes of all ranks.</summary>
    public IReadOnlyList<RankProcess> Processes { get; private set; } = [];

    /// <summary>Initialises MPI and starts the thread.</summary>
    public static MpiThread Start(MpiOptions options)
    {
        var thread = new MpiThread(options);
        thread._thread.Start();
        thread._ready.Task.GetAwaiter().GetResult();
        return thread;
    }

    /// <summary>Starts an operation.</summary>
    public MpiOperation Run(MpiOperation operation)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(MpiCommunicator));
        Ask(() =>
        {
            if (_failure is not null)
            {
                operation.Fail(_failure);
                return;
            }
            // Added before, so that it fails with the others if it cannot begin.
            _active.Add(operation);
            operation.Begin();
            _watch!.Started++;
            _watch.WaitsSince ??= _clock.Elapsed;
        });
        return operation;
    }

    /// <summary>Sets how long to wait for a rank that runs, but does not come.</summary>
    public void WaitFor(TimeSpan patience) => Ask(() => _watch!.Patience = patience);

    /// <summary>Tells all ranks that this one cannot go on.</summary>
    public void Give(string reason) => AskAndWait(() =>
    {
        _watch!.Give(reason);
        CompleteSending();
    });

    /// <summary>Ends all processes.</summary>
    public void Abort(int code) => Ask(() => ConvnetMpi.cn_mpi_abort(code).ThrowIfFailed());

    /// <summary>Leaves the others, and ends the thread when all of them have left or a rank has failed.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        Ask(() =>
        {
            _leaves = true;
            if (_failure is null)
                _watch!.Leave();
        });
        _thread.Join();
        _wake.Dispose();
    }

    private void Ask(Action action)
    {
        _asked.Enqueue(action);
        _wake.Set();
    }

    private void AskAndWait(Action action)
    {
        using var done = new ManualResetEventSlim();
        Ask(() =>
        {
            action();
            done.Set();
        });
        while (!done.Wait(s_idle) && _thread.IsAlive)
        {
        }
    }

    private void Work()
    {
        try
        {
            Initialize();
        }
        catch (Exception error)
        {
            _ready.SetException(error);
            return;
        }
        _ready.SetResult();
        int looks = 0;
        // Where srun has started the ranks, MPI_Finalize does not wait for the others. If this process ended before
        // them, their connections would be refused, and srun would end them if its exit code is not 0.
        while (!_leaves || _failure is null && !_watch!.OthersHaveLeft)
        {
            try
            {
                looks = Look() ? 0 : looks + 1;
            }
            catch (MpiException error)
            {
                FailAll(error);
            }
            if (_active.Count == 0 && !_leaves)
                _wake.WaitOne(s_idle);
            else if (looks < Yields)
                Thread.Yield();
            else
                _ = ConvnetMpi.cn_mpi_pause(PauseMicroseconds);
        }
        // After a failure, MPI would wait for those that do not come.
        if (_failure is null && CompleteSending())
            _ = ConvnetMpi.cn_mpi_finalize();
    }

    private void Initialize()
    {
        ConvnetMpi.cn_mpi_init(out int rank, out int ranks).ThrowIfFailed();
        Rank = rank;
        byte[] own = new byte[Notice.MostBytes], all = new byte[Notice.MostBytes * ranks];
        System.Text.Encoding.UTF8.GetBytes(RankProcess.Own(rank).ToText(), own);
        using var gathering = new Gathering(own, all);
        gathering.Begin();
        while (!gathering.Poll())
            _ = ConvnetMpi.cn_mpi_pause(PauseMicroseconds);
        Processes = [.. Enumerable.Range(0, ranks).Select(each => RankProcess.Parse(
            System.Text.Encoding.UTF8.GetString(all, each * own.Length, own.Length).TrimEnd('\0')))];
        _watch = new RankWatch(rank, Processes,
            WatchTimes.Usual with { Silence = _options.Silence }, Send);
    }

    // Returns whether something has happened.
    private bool Look()
    {
        bool happened = false;
        while (_asked.TryDequeue(out Action? action))
        {
            action();
            happened = true;
        }
        int before = _active.Count;
        _active.RemoveAll(operation => operation.Poll());
        _sent.RemoveAll(sending => sending.IsComplete());
        if (_active.Count == 0)
            _watch!.WaitsSince = null;
        else if (_active.Count < before)
            _watch!.WaitsSince = _clock.Elapsed;
        Receive();
        _watch!.Tick(_clock.Elapsed);
        if (_watch.Failure is { } failure && _failure is null)
            FailAll(failure);
        return happened || _active.Count < before;
    }

    private void FailAll(Exception failure)
    {
        if (_failure is not null)
            return;
        _failure = failure;
        _active.ForEach(operation => operation.Fail(failure));
        _active.Clear();
        _options.OnFailure?.Invoke(failure as RankFailedException ?? new RankFailedException(Rank, failure.Message));
    }

    private unsafe void Receive()
    {
        byte* notice = stackalloc byte[Notice.MostBytes];
        while (true)
        {
            ConvnetMpi.cn_mpi_receive_notice(notice, Notice.MostBytes, out int sender, out long bytes).ThrowIfFailed();
            if (sender < 0)
                return;
            _watch!.Receive(sender, Notice.Parse(new ReadOnlySpan<byte>(notice, (int)bytes)), _clock.Elapsed);
        }
    }

    private void Send(int rank, Notice notice)
    {
        // What a rank that is stopped does not receive must not pile up.
        if (notice.Kind != NoticeKind.Alive || !_sent.Exists(sending => sending.Rank == rank))
            _sent.Add(new Sending(rank, notice.ToBytes()));
    }

    private bool CompleteSending()
    {
        TimeSpan until = _clock.Elapsed + s_farewell;
        while (_sent.Count > 0 && _clock.Elapsed < until)
        {
            _sent.RemoveAll(sending => sending.IsComplete());
            // Others may be sending to this one.
            Receive();
            _ = ConvnetMpi.cn_mpi_pause(PauseMicroseconds);
        }
        return _sent.Count == 0;
    }

    // A notice on its way.
    private sealed unsafe class Sending
    {
        private readonly byte[] _bytes;
        private readonly int _request;

        public Sending(int rank, byte[] bytes)
        {
            Rank = rank;
            _bytes = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
            bytes.CopyTo(_bytes, 0);
            fixed (byte* notice = _bytes)
                ConvnetMpi.cn_mpi_send_notice(notice, _bytes.Length, rank, out _request).ThrowIfFailed();
        }

        public int Rank { get; }

        public bool IsComplete()
        {
            ConvnetMpi.cn_mpi_test(_request, out int complete).ThrowIfFailed();
            GC.KeepAlive(_bytes);
            return complete != 0;
        }
    }
}
