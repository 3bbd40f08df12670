using System.Runtime.InteropServices;
using System.Text;

namespace ConvNet.Mpi;

/// <summary>Operations that wait for their results.</summary>
public static class CommunicatorExtensions
{
    // Of what MPI counts, and small enough for a copy.
    private const int MostBytes = 1 << 24;

    /// <summary>Replaces values by their sums over all ranks, added in the order of the ranks.</summary>
    /// <param name="communicator">The communicator.</param>
    /// <param name="values">The values of this rank.</param>
    /// <exception cref="ArgumentNullException">The communicator is null.</exception>
    /// <exception cref="RankFailedException">A rank has failed.</exception>
    public static void Sum(this ICommunicator communicator, Span<double> values)
    {
        ArgumentNullException.ThrowIfNull(communicator);
        new PendingSum(communicator, values).Finish(values);
    }

    /// <summary>Returns the texts of all ranks in their order.</summary>
    /// <param name="communicator">The communicator.</param>
    /// <param name="text">The text of this rank.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="RankFailedException">A rank has failed.</exception>
    public static IReadOnlyList<string> Exchange(this ICommunicator communicator, string text)
    {
        ArgumentNullException.ThrowIfNull(communicator);
        ArgumentNullException.ThrowIfNull(text);
        byte[] own = Encoding.UTF8.GetBytes(text);
        var lengths = new int[communicator.Ranks];
        Gather<int>(communicator, [own.Length], lengths);
        int longest = lengths.Max();
        var all = new byte[longest * communicator.Ranks];
        Array.Resize(ref own, longest);
        Gather<byte>(communicator, own, all);
        return [.. lengths.Select((length, rank) => Encoding.UTF8.GetString(all, rank * longest, length))];
    }

    /// <summary>Sends the values of one rank to all.</summary>
    /// <typeparam name="T">The type of a value.</typeparam>
    /// <param name="communicator">The communicator.</param>
    /// <param name="values">The values of the root; on the other ranks, receives them.</param>
    /// <param name="root">The rank that sends.</param>
    /// <exception cref="ArgumentNullException">The communicator is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such rank.</exception>
    /// <exception cref="RankFailedException">A rank has failed.</exception>
    public static void Broadcast<T>(this ICommunicator communicator, Span<T> values, int root) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(communicator);
        Span<byte> bytes = MemoryMarshal.AsBytes(values);
        while (bytes.Length > 0)
        {
            byte[] part = bytes[..Math.Min(bytes.Length, MostBytes)].ToArray();
            communicator.StartBroadcast(part, root).Wait();
            part.CopyTo(bytes);
            bytes = bytes[part.Length..];
        }
    }

    /// <summary>Sends values to all ranks, each of which receives those of all.</summary>
    /// <typeparam name="T">The type of a value.</typeparam>
    /// <param name="communicator">The communicator.</param>
    /// <param name="own">The values of this rank, as many on each.</param>
    /// <param name="all">Receives the values of all ranks in their order.</param>
    /// <exception cref="ArgumentNullException">The communicator is null.</exception>
    /// <exception cref="ArgumentException">The memory for all does not have the number of ranks times the
    /// values.</exception>
    /// <exception cref="RankFailedException">A rank has failed.</exception>
    public static void Gather<T>(this ICommunicator communicator, ReadOnlySpan<T> own, Span<T> all) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(communicator);
        byte[] sent = MemoryMarshal.AsBytes(own).ToArray(), received = new byte[MemoryMarshal.AsBytes(all).Length];
        communicator.StartGather(sent, received).Wait();
        received.CopyTo(MemoryMarshal.AsBytes(all));
    }
}
