using ConvNet.Planning;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Where values lie in an arena.</summary>
public sealed class ArenaTests
{
    private const int Alignment = 16;

    [Test]
    public void BlocksThatAreNeededTogetherDoNotOverlap([Range(1, 20)] int seed)
    {
        Lifetime[] blocks = Random(seed, count: 60);
        Arena arena = Arena.Plan(blocks, Alignment);
        for (int i = 0; i < blocks.Length; i++)
        {
            Assert.That(arena.Offsets[i] % Alignment, Is.Zero);
            Assert.That(arena.Offsets[i] + blocks[i].Length, Is.LessThanOrEqualTo(arena.Length));
            for (int j = 0; j < i; j++)
            {
                bool apart = arena.Offsets[i] + blocks[i].Length <= arena.Offsets[j] || arena.Offsets[j] + blocks[j]
                    .Length <= arena.Offsets[i];
                Assert.That(apart || !blocks[i].Overlaps(blocks[j]), $"blocks {i} and {j}");
            }
        }
    }

    [Test]
    public void AnArenaIsHardlyLongerThanWhatIsNeededAtOnce([Range(1, 20)] int seed)
    {
        Lifetime[] blocks = Random(seed, count: 60);
        long atOnce = blocks.Max(block => blocks.Where(other => other.First <= block.First && block.First <= other.Last)
            .Sum(other => other.Length));
        Assert.That(Arena.Plan(blocks, Alignment).Length, Is.InRange(atOnce, 1.2 * atOnce));
    }

    // A chain forward and back, as training has it: value i is written at i and read until 2·count − i, with shorter
    // ones between.
    [Test]
    public void AChainTakesNoMoreThanItsTurn()
    {
        Lifetime[] blocks = [.. Enumerable.Range(0, 12).Select(i => new Lifetime(Alignment * (12 - i), i, 24 - i)),
            .. Enumerable.Range(0, 24).Select(i => new Lifetime(Alignment, i, i + 1))];
        long atOnce = Enumerable.Range(0, 26)
            .Max(time => blocks.Where(block => block.First <= time && time <= block.Last).Sum(block => block.Length));
        Assert.That(Arena.Plan(blocks, Alignment).Length, Is.EqualTo(atOnce));
    }

    private static Lifetime[] Random(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            int first = random.Next(40);
            return new Lifetime(Alignment * random.Next(1, 50), first, first + random.Next(20));
        })];
    }
}
