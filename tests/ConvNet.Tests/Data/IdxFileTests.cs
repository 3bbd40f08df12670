using System.IO.Compression;
using ConvNet.Data;
using NUnit.Framework;
using NUnit.Framework.Constraints;

namespace ConvNet.Tests.Data;

public sealed class IdxFileTests
{
    private static readonly byte[] Good = TinyData.Idx([1, 2, 3, 4, 5, 6], 2, 3);

    private string _path = null!;

    [SetUp]
    public void ChoosePath() => _path = Path.GetTempFileName();

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [Test]
    public void AFileIsReadWithItsDimensions([Values] bool zipped)
    {
        IdxArray array = Read(zipped ? TinyData.Zip(Good) : Good);
        Assert.That(array.Dimensions, Is.EqualTo((int[])[2, 3]));
        Assert.That(array.Values, Is.EqualTo((byte[])[1, 2, 3, 4, 5, 6]));
    }

    [Test]
    public void AFileCutShortAnywhereIsRefusedByName([Values] bool zipped)
    {
        byte[] bytes = zipped ? TinyData.Zip(Good) : Good;
        for (int length = 0; length < bytes.Length; length++)
            Assert.That(() => Read(bytes[..length]), Refused(_path), $"cut to {length} of {bytes.Length} bytes");
    }

    [Test]
    public void AFlippedByteOfAZippedFileIsFoundOrHarmless()
    {
        byte[] bytes = TinyData.Zip(Good);
        int refused = 0;
        for (int i = 2; i < bytes.Length; i++)
        {
            byte[] damaged = [.. bytes];
            damaged[i] ^= 0x55;
            try
            {
                Assert.That(Read(damaged).Values, Is.EqualTo(Good[12..]), $"byte {i} flipped");
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.That(refused, Is.GreaterThan(bytes.Length / 2));
    }

    [TestCase(0, 1, "bytes 0 to 1")]
    [TestCase(2, 0x0D, "byte 2 is the type 0x0D")]
    [TestCase(3, 0, "byte 3 declares 0 dimensions")]
    [TestCase(3, 5, "byte 3 declares 5 dimensions")]
    [TestCase(7, 0, "bytes 4 to 7 give dimension 0 the size 0")]
    [TestCase(8, 0xFF, "bytes 8 to 11 give dimension 1 the size")]
    [TestCase(11, 2, "the file has 18")]
    [TestCase(11, 4, "the file has 18")]
    public void AWrongHeaderIsNamed(int offset, int value, string words)
    {
        byte[] bytes = [.. Good];
        bytes[offset] = (byte)value;
        Assert.That(() => Read(bytes), Refused(words));
    }

    [Test]
    public void BytesAfterTheValuesAreRefused()
        => Assert.That(() => Read(TinyData.Zip([.. Good, 7])),
            Refused("the 2×3 values that its header declares are followed by more data"));

    [TestCase(false)]
    [TestCase(true)]
    public void AHugeSizeIsRefusedBeforeAnythingIsAllocated(bool zipped)
    {
        byte[] bytes = TinyData.Idx([1, 2], 40_000, 50_000);
        AllocatesLittle(() => Assert.That(() => Read(zipped ? TinyData.Zip(bytes) : bytes), Refused("40000×50000")));
        AllocatesLittle(
            () => Assert.That(() => Read(TinyData.Idx([1], int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue)),
            Refused("the limit is")));
    }

    [Test]
    public void ADecompressionBombIsStoppedAtWhatItsHeaderAnnounces()
    {
        using (FileStream file = File.Create(_path))
        using (var zip = new GZipStream(file, CompressionLevel.Fastest))
        {
            zip.Write(Good);
            var zeros = new byte[1 << 20];
            for (int i = 0; i < 64; i++)
                zip.Write(zeros);
        }
        AllocatesLittle(() => Assert.That(() => IdxFile.Read(_path), Refused("followed by more data")));
    }

    private static IEnumerable<TestCaseData> Members()
    {
        byte[] whole = TinyData.Zip(Good), first = TinyData.Zip(Good[..7]), second = TinyData.Zip(Good[7..]),
            empty = TinyData.Zip([]);
        yield return Case("two members", [.. first, .. second]);
        yield return Case("a member for every byte", [.. Good.SelectMany(each => TinyData.Zip([each]))]);
        yield return Case("an empty member last, as bgzip writes it", [.. whole, .. BgzipEnd]);
        yield return Case("empty members first and between", [.. empty, .. first, .. BgzipEnd, .. second]);
        yield return Case("padding of a zero", [.. whole, 0]);
        yield return Case("padding of many zeros", [.. first, .. second, .. new byte[200_000]]);
        yield return Case("bgzip's end and padding", [.. whole, .. BgzipEnd, .. new byte[5]]);
        yield return Case("a header with a name, a comment and more", [.. NamedHeader, .. whole[10..]]);

        static TestCaseData Case(string name, byte[] bytes) => new TestCaseData(bytes).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Members))]
    public void SeveralMembersAreReadAsZcatReadsThem(byte[] bytes)
    {
        Assert.That(Read(bytes).Values, Is.EqualTo((byte[])[1, 2, 3, 4, 5, 6]));
        // Cut anywhere it is refused, but in the padding or where members without content end the file.
        int zeros = bytes.Reverse().TakeWhile(each => each == 0).Count(), refused = 0;
        for (int length = Math.Max(0, bytes.Length - 1000); length < bytes.Length; length++)
        {
            try
            {
                Assert.That(Read(bytes[..length]).Values, Is.EqualTo((byte[])[1, 2, 3, 4, 5, 6]), $"cut to {length}");
            }
            catch (InvalidDataException error)
            {
                refused++;
                Assert.That(error.Message, Does.StartWith(_path));
            }
        }
        Assert.That(refused, Is.GreaterThanOrEqualTo(Math.Min(8, 1000 - zeros)));
    }

    [Test]
    public void EachMemberIsCheckedByItsOwnSum()
    {
        byte[] first = TinyData.Zip(Good[..9]), second = TinyData.Zip(Good[9..]);
        first[^5] ^= 1;
        Assert.That(() => Read([.. first, .. second]), Refused("damaged"));
        first[^5] ^= 1;
        second[^1] ^= 1;
        Assert.That(() => Read([.. first, .. second]), Refused("damaged"));
    }

    [Test]
    public void SomethingElseBehindTheMembersIsRefused()
    {
        Assert.That(() => Read([.. TinyData.Zip(Good), 1, 2, 3]), Refused("neither a gzip member nor zero padding"));
        Assert.That(() => Read([.. TinyData.Zip(Good), 0, 0, 3]), Refused("neither a gzip member nor zero padding"));
        Assert.That(() => Read([.. TinyData.Zip(Good), .. TinyData.Zip(Good)]), Refused("followed by more data"));
    }

    [Test]
    public void MembersThatCrossEveryBufferAreRead()
    {
        byte[] values = new byte[300_000];
        new Random(1).NextBytes(values);
        byte[] idx = TinyData.Idx(values, values.Length);
        byte[] zipped = [.. idx.Chunk(997).SelectMany(TinyData.Zip), .. BgzipEnd];
        Assert.That(Read(zipped).Values, Is.EqualTo(values));
    }

    [Test]
    public void MemoryGrowsWithWhatComesOutNotWithWhatTheHeaderAnnounces()
    {
        // A megabyte of random bytes can be a gigabyte as far as its length says.
        var values = new byte[1 << 20];
        new Random(1).NextBytes(values);
        byte[] zipped = TinyData.Zip(TinyData.Idx(values, 1_000_000, 10, 100));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => Read(zipped), Refused("it ends after 1,048,592 bytes"));
        Assert.That(
            GC.GetAllocatedBytesForCurrentThread() - before,
            Is.LessThan(FileTimes * zipped.Length + 3 * values.Length));
    }

    // What IdxFile says: sixteen times the file, and three times what comes out; some more for the test itself.
    private const long FileTimes = 17;

    // The empty member that bgzip ends a file with.
    private static readonly byte[] BgzipEnd =
        [0x1F, 0x8B, 8, 4, 0, 0, 0, 0, 0, 0xFF, 6, 0, 0x42, 0x43, 2, 0, 0x1B, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    // FEXTRA, FNAME and FCOMMENT.
    private static readonly byte[] NamedHeader =
        [0x1F, 0x8B, 8, 0x1C, 0, 0, 0, 0, 0, 3, 3, 0, 1, 2, 3, (byte)'a', 0, (byte)'b', 0];

    private static void AllocatesLittle(Action action)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        action();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4 << 20));
    }

    private static ContainsConstraint Refused(string words) => Throws.TypeOf<InvalidDataException>()
        .With.Message.Contains(words);

    private IdxArray Read(byte[] bytes)
    {
        File.WriteAllBytes(_path, bytes);
        return IdxFile.Read(_path);
    }
}
