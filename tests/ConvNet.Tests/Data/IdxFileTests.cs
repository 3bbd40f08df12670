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
    [TestCase(2, 0x0D, "byte 2 names the type 0x0D")]
    [TestCase(3, 0, "byte 3 announces 0 dimensions")]
    [TestCase(3, 5, "byte 3 announces 5 dimensions")]
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
    public void BytesAfterTheValuesAreRefused() => Assert.That(() => Read(TinyData.Zip([.. Good, 7])), Refused("there is more after the 2×3 values"));

    [TestCase(false)]
    [TestCase(true)]
    public void AHugeSizeIsRefusedBeforeAnythingIsAllocated(bool zipped)
    {
        byte[] bytes = TinyData.Idx([1, 2], 40_000, 50_000);
        AllocatesLittle(() => Assert.That(() => Read(zipped ? TinyData.Zip(bytes) : bytes), Refused("40000×50000")));
        AllocatesLittle(() => Assert.That(() => Read(TinyData.Idx([1], int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue)), Refused("more than")));
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
        AllocatesLittle(() => Assert.That(() => IdxFile.Read(_path), Refused("there is more")));
    }

    private static void AllocatesLittle(Action action)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        action();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4 << 20));
    }

    private static ContainsConstraint Refused(string words) => Throws.TypeOf<InvalidDataException>().With.Message.Contains(words);

    private IdxArray Read(byte[] bytes)
    {
        File.WriteAllBytes(_path, bytes);
        return IdxFile.Read(_path);
    }
}
