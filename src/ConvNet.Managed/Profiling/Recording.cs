using System.Diagnostics;
using MathNet.Numerics.Statistics;

namespace ConvNet.Profiling;

/// <summary>Records the times of an executable's calls and of their parts. All calls must run on one thread.</summary>
/// <param name="parts">The parts that are timed, in the order in which they run.</param>
/// <param name="end">Called when the recording is disposed, to stop the timing.</param>
public sealed class Recording(IReadOnlyList<LayerProfile> parts, Action end) : IDisposable
{
    private const int UsualLength = 4096;

    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly List<Time> _times = new(UsualLength);
    private readonly List<Time> _calls = [];
    private Action? _end = end;

    /// <summary>Runs a call of the executable and times it as a whole.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="call"/> is null.</exception>
    public void Call(Action call)
    {
        ArgumentNullException.ThrowIfNull(call);
        int before = _times.Count;
        long start = Stopwatch.GetTimestamp();
        call();
        _calls.Add(new Time(before, start, Stopwatch.GetTimestamp()));
    }

    /// <summary>Records that a part ends now.</summary>
    /// <param name="part">The index of the part.</param>
    /// <param name="start">The <see cref="Stopwatch"/> timestamp at which it started.</param>
    public void Add(int part, long start) => _times.Add(new Time(part, start, Stopwatch.GetTimestamp()));

    /// <summary>Gets the recorded profile.</summary>
    /// <param name="spans">The number of calls, from the first, for which the time spans of all parts are
    /// included.</param>
    /// <exception cref="InvalidOperationException"><see cref="Call"/> has not been called.</exception>
    public NetworkProfile Profile(int spans = 0)
    {
        if (_calls.Count == 0)
            throw new InvalidOperationException("Nothing has been recorded. Run the executable inside Recording.Call.");
        ILookup<int, double> times = _times.ToLookup(time => time.Index, time => time.Milliseconds);
        int[] ran = [.. times.Select(part => part.Key)];
        double[] calls = [.. _calls.Select(call => call.Milliseconds)];
        return new NetworkProfile(calls.Length, calls.Sum(), calls.Median(),
            [.. ran.Select(part => Timed(parts[part], [.. times[part]]))], [.. Spans(spans, ran)]);
    }

    /// <summary>Ends the recording; the recorded profile can still be read.</summary>
    public void Dispose()
    {
        _end?.Invoke();
        _end = null;
    }

    private static LayerProfile Timed(LayerProfile part, double[] times)
        => part with { Calls = times.Length, TotalMs = times.Sum(), MedianMs = times.Median() };

    private IEnumerable<ProfiledSpan> Spans(int count, int[] ran)
    {
        for (int i = 0; i < Math.Min(count, _calls.Count); i++)
        {
            yield return Span(null, _calls[i]);
            int end = i + 1 < _calls.Count ? _calls[i + 1].Index : _times.Count;
            foreach (Time time in _times[_calls[i].Index..end])
                yield return Span(Array.IndexOf(ran, time.Index), time);
        }
    }

    private ProfiledSpan Span(int? layer, Time time)
        => new(layer, 1000 * Milliseconds(_began, time.Start), 1000 * time.Milliseconds);

    // A TimeSpan would round to 100 ns.
    private static double Milliseconds(long start, long end) => 1e3 * (end - start) / Stopwatch.Frequency;

    /// <summary>The time of a part, or of a whole call with the index of its first part among the times.</summary>
    private readonly record struct Time(int Index, long Start, long End)
    {
        public double Milliseconds => Recording.Milliseconds(Start, End);
    }
}

/// <summary>Times a part of a call until it is disposed; does nothing if no recording is active.</summary>
internal readonly ref struct PartTimer(Recording? recording, int part)
{
    private readonly long _start = recording is null ? 0 : Stopwatch.GetTimestamp();

    public void Dispose() => recording?.Add(part, _start);
}
