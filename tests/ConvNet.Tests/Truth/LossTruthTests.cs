using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Truth;

/// <summary>The losses of the reference in double precision, against PyTorch's.</summary>
[TestFixture]
public sealed class LossTruthTests
{
    public static IEnumerable<TruthCase> Cases => TruthTable.Cases("losses.json");

    [TestCaseSource(nameof(Cases))]
    public void AgreesWithPyTorch(TruthCase known)
    {
        Loss loss = LossOf(known);
        double[] s = known.Values("shape"), y = known.Values("y"), dy = new double[y.Length];
        var shape = new Shape((int)s[0], (int)s[1], (int)s[2]);
        int n = known.Json.GetProperty("batch").GetInt32();
        loss.CheckOutput(LossCases.Identity(shape).Output);
        Targets targets = known.Has("labels")
            ? Targets.Of(Array.ConvertAll(known.Values("labels"), label => (int)label))
            : Targets.Of(known.Floats("targets"));
        targets = targets.Weighted(known.Has("samples") ? known.Floats("samples") : []);
        targets.CheckFor(loss, shape, n);

        double value = loss.Evaluate(new LossFrame<double>(shape, y, targets, dy));

        TruthTable.AssertAgree([value], known.Values("value"), "loss");
        TruthTable.AssertAgree(dy, known.Values("dy"), "dy");
    }

    [Test]
    public void EveryAttributeOfEveryLossHasACase()
    {
        foreach (Declaration<Loss> kind in Loss.BuiltIn.Declarations)
        {
            Loss[] cases = [.. Cases.Select(LossOf).Where(loss => loss.Declaration == kind)];
            foreach (AttributeDeclaration attribute in kind.Attributes)
                Assert.That(cases.Select(attribute.TextOf).Distinct().Count(), Is.GreaterThan(1),
                    $"values of {attribute.Name} of {kind.Kind}");
        }
    }

    private static Loss LossOf(TruthCase known)
        => Loss.BuiltIn.Read(new JsonReader(known.Json.GetProperty("loss"), known.Name));
}
