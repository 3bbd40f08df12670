using NUnit.Framework;

namespace ConvNet.Tests.Reference;

public sealed class NearMissesTests
{
    [TestCase("trian", "train, eval, bench", "train")]
    [TestCase("epoch", "epochs, batch", "epochs")]
    [TestCase("lenet", "lenet5, resnet20, cifarnet", "lenet5")]
    [TestCase("resnet", "resnet18, resnet20, resnet50, resnet34", "resnet18, resnet20, resnet50")]
    [TestCase("linear1.bais", "linear1.bias, linear2.bias, linear1.weight", "linear1.bias")]
    [TestCase("NATIVE", "native, managed", "native")]
    [TestCase("cuda", "native, managed, torchsharp, auto", "")]
    [TestCase("", "a, b", "")]
    [TestCase("x", "a, b", "")]
    [TestCase("ab", "b, abc", "b, abc")]
    public void TheNearestNamesAreFound(string word, string known, string expected)
        => Assert.That(string.Join(", ", NearMisses.Of(word, known.Split(", "))), Is.EqualTo(expected));

    [Test]
    public void TheQuestionNamesThem()
    {
        Assert.That(NearMisses.Question("digit", ["digits", "fashion-mnist"]), Is.EqualTo(" Did you mean \"digits\"?"));
        Assert.That(NearMisses.Question("cuda", ["native"]), Is.Empty);
    }

    [Test]
    public void LongWordsAreNotCompared()
        => Assert.That(NearMisses.Of(new string('a', 1_000_000), Enumerable.Repeat(new string('a', 1_000_001), 10)),
            Is.Empty);
}
