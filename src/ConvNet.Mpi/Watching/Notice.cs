using System.Buffers.Binary;
using System.Text;

namespace ConvNet.Mpi.Watching;

/// <summary>The kind of a notice.</summary>
internal enum NoticeKind
{
    /// <summary>The sender runs.</summary>
    Alive,

    /// <summary>The sender ends as it should.</summary>
    Leaving,

    /// <summary>The sender cannot go on, and has said why.</summary>
    Gives,

    /// <summary>The sender has found that a rank has failed.</summary>
    Failed,
}

/// <summary>What ranks tell one another beside the collectives.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Rank">The rank that the notice is about.</param>
/// <param name="Started">The number of collectives that the sender has started.</param>
/// <param name="Text">The text of a failure.</param>
internal readonly record struct Notice(NoticeKind Kind, int Rank, long Started, string Text)
{
    /// <summary>The largest length in bytes.</summary>
    public const int MostBytes = Interop.ConvnetMpi.CN_MPI_MOST_NOTICE;

    private const int RankAt = 4, StartedAt = 8, TextAt = 16;

    /// <summary>Returns the bytes of the notice. A long text is cut.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[MostBytes];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)Kind);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(RankAt), Rank);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(StartedAt), Started);
        Encoding.UTF8.GetEncoder().Convert(Text, bytes.AsSpan(TextAt), flush: false, out _, out int used, out _);
        return bytes[..(TextAt + used)];
    }

    /// <summary>Reads a notice.</summary>
    /// <exception cref="InvalidDataException">The bytes are no notice.</exception>
    public static Notice Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < TextAt)
            throw new InvalidDataException($"A notice has {bytes.Length} bytes; it must have at least {TextAt}.");
        var kind = (NoticeKind)BinaryPrimitives.ReadInt32LittleEndian(bytes);
        return Enum.IsDefined(kind)
            ? new(kind, BinaryPrimitives.ReadInt32LittleEndian(bytes[RankAt..]),
                BinaryPrimitives.ReadInt64LittleEndian(bytes[StartedAt..]), Encoding.UTF8.GetString(bytes[TextAt..]))
            : throw new InvalidDataException($"A notice is of the unknown kind {(int)kind}.");
    }
}
