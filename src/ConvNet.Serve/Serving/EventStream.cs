using System.Buffers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using ConvNet.Serve.Runs;
using Microsoft.AspNetCore.Http;

namespace ConvNet.Serve.Serving;

/// <summary>Sends a page what it shows, as server-sent events: first everything, then each section that has changed, as
/// a whole.</summary>
/// <remarks>A page that is slow is sent fewer states. What it has missed is in the next one.</remarks>
internal static class EventStream
{
    /// <summary>The type of an event stream.</summary>
    public const string Type = "text/event-stream";

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(400);

    private static readonly RunSection[] s_sections = Enum.GetValues<RunSection>();

    /// <summary>Sends events until nothing changes any more, or the page is closed.</summary>
    public static async Task WriteAsync(HttpResponse response, RunBoard board, CancellationToken cancellation)
    {
        response.ContentType = Type;
        Channel<bool> listener = board.Listen();
        try
        {
            await SseFormatter.WriteAsync(Events(board, listener, cancellation), response.Body, Format, cancellation);
        }
        finally
        {
            board.Remove(listener);
        }
    }

    private static async IAsyncEnumerable<SseItem<RunEvent>> Events(RunBoard board, Channel<bool> listener,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        var sent = new Dictionary<(int, RunSection), (int, int)>();
        while (await listener.Reader.WaitToReadAsync(cancellation))
        {
            listener.Reader.TryRead(out _);
            for (int run = 0; run < board.Runs.Count; run++)
            {
                foreach (RunSection section in s_sections)
                {
                    (int, int) version = board.Runs[run].VersionOf(section);
                    if (sent.TryGetValue((run, section), out (int, int) before) && before == version)
                        continue;
                    sent[(run, section)] = version;
                    yield return Item(new RunEvent(run, section, board.Runs[run].Json(section)));
                }
            }
            await Task.Delay(s_pause, cancellation);
        }
        yield return Item(RunEvent.End);
    }

    private static SseItem<RunEvent> Item(RunEvent sent)
        => new(sent, sent.Section is { } section ? $"{section}".ToLowerInvariant() : "end");

    private static void Format(SseItem<RunEvent> item, IBufferWriter<byte> data)
    {
        data.Write(Encoding.ASCII.GetBytes(FormattableString.Invariant($"{{\"run\":{item.Data.Run},\"value\":")));
        data.Write(item.Data.Json);
        data.Write("}"u8);
    }
}
