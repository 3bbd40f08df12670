using System.Diagnostics;
using MathNet.Numerics.Statistics;

namespace ConvNet.Profiling;

/// <summary>The times of an executable's calls and of their parts, taken while they run on one thread.</summary>
/// <param name="parts">What is timed, in the order in which it runs.</param>
/// <param name="end">Called when the recording is disposed: nothing is timed any more.</param>
public sealed class Recording(IReadOnlyList<LayerProfile> parts, Action end) : IDisposable
{
    private const int UsualLength = 4096;

    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly List<Time> _times = new(UsualLength);
    private readonly List<Time> _calls = [];
    private Action? _end = end;

    /// <summary>Runs a call of the executable and times it as a whole.</summary>
    public void Call(Action call)
    {
        ArgumentNullException.ThrowIfNull(call);
        int before = _times.Count;
        long start = Stopwatch.GetTimestamp();
        call();
        _calls.Add(new Time(before, start, Stopwatch.GetTimestamp()));
    }

    /// <summary>Notes that a part which started at a time of <see cref="Stopwatch"/> ends now.</summary>
    /// <param name="part">Its place among the parts.</param>
    /// <param name="start">When it started.</param>
    public void Add(int part, long start) => _times.Add(new Time(part, start, Stopwatch.GetTimestamp()));

    /// <summary>What was recorded.</summary>
    /// <param name="spans">Of so many calls, the first ones, it is also told when each part ran.</param>
    /// <exception cref="InvalidOperationException">There was no <see cref="Call"/>.</exception>
    public NetworkProfile Profile(int spans = 0)
    {
        if (_calls.Count == 0)
            throw new InvalidOperationException("Nothing was recorded: run the executable inside Recording.Call.");
        ILookup<int, double> times = _times.ToLookup(time => time.Index, time => time.Milliseconds);
        int[] ran = [.. times.Select(part => part.Key)];
        double[] calls = [.. _calls.Select(call => call.Milliseconds)];
        return new NetworkProfile(calls.Length, calls.Sum(), calls.Median(),
            [.. ran.Select(part => Timed(parts[part], [.. times[part]]))], [.. Spans(spans, ran)]);
    }

    /// <summary>Ends it; what was recorded can still be read.</summary>
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

    /// <summary>A part, or a whole call with the place of its first part among the times.</summary>
    private readonly record struct Time(int Index, long Start, long End)
    {
        public double Milliseconds => Recording.Milliseconds(Start, End);
    }
}

/// <summary>Times a part of a call until it is disposed; none where nobody records.</summary>
internal readonly ref struct PartTimer(Recording? recording, int part)
{
    private readonly long _start = recording is null ? 0 : Stopwatch.GetTimestamp();

    public void Dispose() => recording?.Add(part, _start);
}
