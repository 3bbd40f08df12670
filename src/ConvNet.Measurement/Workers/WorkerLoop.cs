using System.Diagnostics;

namespace ConvNet.Measurement.Workers;

/// <summary>The worker side of the protocol: measures one backend in its own process.</summary>
public sealed class WorkerLoop : IWorker
{
    private readonly Bench _bench;
    private Workload? _workload;
    private Sampler? _sampler;
    private ResidentMemory? _memory;

    /// <summary>Creates a worker in this process.</summary>
    internal WorkerLoop(Bench bench) => _bench = bench;

    /// <summary>Answers requests until the input ends.</summary>
    /// <param name="backend">The backend: native, managed or torchsharp.</param>
    /// <param name="models">Returns the graph of a model, for images of a given shape or of the default shape.</param>
    /// <param name="requests">Lines of <see cref="Request"/>.</param>
    /// <param name="responses">Receives a line with a <see cref="Response"/> for each request.</param>
    /// <exception cref="ArgumentException">The backend name is unknown.</exception>
    public static void Serve(string backend, Func<string, Shape?, Graph> models, TextReader requests,
        TextWriter responses)
    {
        ArgumentNullException.ThrowIfNull(requests);
        ArgumentNullException.ThrowIfNull(responses);
        Serve(Bench.Of(backend, models), requests, responses);
    }

    /// <summary>Answers requests to a bench until the input ends.</summary>
    internal static void Serve(Bench bench, TextReader requests, TextWriter responses)
    {
        using var worker = new WorkerLoop(bench);
        while (requests.ReadLine() is { } line)
        {
            responses.WriteLine(Protocol.Line(worker.Ask(Protocol.Read<Request>(line))));
            responses.Flush();
        }
    }

    /// <inheritdoc/>
    public Response Ask(Request request)
    {
        try
        {
            return request.Do switch
            {
                Order.Prepare => Prepare(request),
                Order.Warm => Warm(request),
                Order.Measure => Measure(request),
                Order.First => First(),
                Order.Latency => new Response { CallsMs = Current.Latencies(request.Milliseconds) },
                Order.Check => Check(request),
                Order.SelfTest => Test(request),
                Order.Peak => new Response { Rate = ProcessorPeak.Gflops(NativeBench.Backend(request)) },
                Order.Memory
                    => new Response { Rate = ProcessorPeak.MemoryGigabytesPerSecond(NativeBench.Backend(request)) },
                Order.Profile => Profile(request),
                _ => throw new UnreachableException($"{request.Do}"),
            };
        }
        catch (Exception error) when (Failures.IsExpected(error))
        {
            return new Response { Error = Failures.Message(error) };
        }
    }

    /// <summary>Releases the current workload.</summary>
    public void Dispose()
    {
        _workload?.Dispose();
        _bench.Dispose();
    }

    private Response Prepare(Request request)
    {
        Load(request);
        _memory = ResidentMemory.StartCounting();
        _workload = _bench.Create(request);
        _sampler = new Sampler(_workload);
        return new Response
        {
            Library = _bench.Library,
            Algorithm = _workload.Algorithm,
            Auto = _workload.Auto,
            CompileMs = _workload.CompileMs,
            Operations = _workload.Operations,
            Images = _workload.Images,
        };
    }

    private void Load(Request request)
    {
        _sampler = null;
        _workload?.Dispose();
        _workload = null;
        _bench.Load(request);
    }

    private Response Check(Request request)
    {
        Load(request);
        return new Response { Library = _bench.Library, Gradients = _bench.Check(request) };
    }

    private Response Test(Request request)
    {
        Load(request);
        return new Response { Library = _bench.Library, SelfTest = _bench.Test() };
    }

    private Response First() => new() { MinMs = Current.Latencies(0)[0], PeakMemoryMB = _memory!.PeakMegabytes };

    private Response Warm(Request request)
    {
        Current.Warm(request.Milliseconds);
        return new Response();
    }

    private Response Measure(Request request)
    {
        (List<double> samples, int calls) = Current.Measure(request.Milliseconds);
        return new Response
        {
            MedianMs = Statistics.Median(samples),
            MinMs = samples.Min(),
            Calls = calls,
            PeakMemoryMB = _memory!.PeakMegabytes
        };
    }

    private Response Profile(Request request)
        => new() { Profile = (_workload ?? throw NothingPrepared).Profile(request.Milliseconds, request.Spans) };

    private Sampler Current => _sampler ?? throw NothingPrepared;

    private static ArgumentException NothingPrepared => new("No workload is prepared. Send prepare first.");
}
