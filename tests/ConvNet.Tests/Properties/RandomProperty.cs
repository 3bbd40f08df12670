using ConvNet.GradientChecking;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;
using NUnit.Framework;

namespace ConvNet.Tests.Properties;

/// <summary>Properties of random cases: FsCheck's machinery on the product's own generator and shrinker.</summary>
/// <remarks>
/// <c>CONVNET_PROPERTY_CASES</c> says how many cases each property is tried on, and <c>CONVNET_PROPERTY_SEED</c>
/// replays the case of the three numbers that a failure prints, as <c>11,13,5</c>, or the run of its first two.
/// </remarks>
internal static class RandomProperty
{
    private const string CasesVariable = "CONVNET_PROPERTY_CASES", SeedVariable = "CONVNET_PROPERTY_SEED";
    private const int UsualCases = 16;
    private const string UsualSeed = "1,3";

    /// <summary>Tries a property on random cases; a failure throws, with the smallest case that shows it.</summary>
    /// <param name="make">Makes a case from its seed.</param>
    /// <param name="fits">Whether the property says something of a case.</param>
    /// <param name="property">Throws where it does not hold.</param>
    /// <param name="seed">What to replay; the usual cases unless given.</param>
    public static void Holds<T>(Func<ulong, T> make, Func<T, bool> fits, Action<T> property, string? seed = null)
        where T : GradientCase
    {
        string chosen = seed ?? Environment.GetEnvironmentVariable(SeedVariable) ?? UsualSeed;
        int cases = int.TryParse(Environment.GetEnvironmentVariable(CasesVariable), out int wanted) ? wanted
            : UsualCases;
        TestContext.Out.WriteLine($"{cases} cases, {SeedVariable}={chosen}");
        ulong[] words = [.. chosen.Split(',').Select(ulong.Parse)];
        Gen<T> generator = Gen.Choose(0, int.MaxValue).Select(number => make((ulong)number)).Where(fits);
        Config config = Config.QuickThrowOnFailure.WithMaxTest(cases).WithQuietOnSuccess(true)
            .WithReplay(
                FSharpOption<Replay>.Some(new Replay(new Rnd(words[0], words[1]), words.Length > 2
                ? FSharpOption<int>.Some((int)words[2]) : FSharpOption<int>.None)));
        Check.One(config, Prop.ForAll(Arb.From(generator, made => Shrinker.Candidates(made).OfType<T>().Where(fits)),
            property));
    }

    /// <summary>Throws unless all values are equal, or differ by a share of their size; a zero is a zero, whatever its
    /// sign.</summary>
    public static void Same(float[] got, float[] expected, string what, float share = 0)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (got[i] != expected[i] && !(Math.Abs(got[i] - expected[i]) <= share * Math.Abs(expected[i]))
                && !(float.IsNaN(got[i]) && float.IsNaN(expected[i])))
                throw new InvalidOperationException($"{what}: [{i}] is {got[i]:R} and should be {expected[i]:R}");
        }
    }
}
