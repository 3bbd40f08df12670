using ConvNet.Cli;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

public sealed class UsageTests
{
    [TestCase("dance")]
    [TestCase("train", "--speed", "9")]
    [TestCase("train", "--epochs")]
    [TestCase("train", "--epochs", "ten")]
    [TestCase("train", "--epochs", "0")]
    [TestCase("train", "--batch", "0")]
    [TestCase("train", "--backend", "managed", "--threads", "0")]
    [TestCase("train", "--momentum", "1")]
    [TestCase("train", "--lr", "Infinity")]
    [TestCase("train", "--optimizer", "adma")]
    [TestCase("train", "--optimizer", "adam", "--beta2", "1")]
    [TestCase("train", "--optimizer", "adam", "--nesterov")]
    [TestCase("train", "--momentum", "0", "--nesterov")]
    [TestCase("train", "--lookahead", "0")]
    [TestCase("train", "--lookahead-alpha", "0.5")]
    [TestCase("train", "--schedule", "multistep")]
    [TestCase("train", "--schedule-milestones", "3,6")]
    [TestCase("train", "--schedule", "multistep", "--schedule-milestones", "6,3")]
    [TestCase("train", "--schedule", "plateau", "--schedule-metric", "height")]
    [TestCase("train", "--warmup-start", "0.1")]
    [TestCase("train", "--average-decay", "0.9")]
    [TestCase("train", "--average", "swa", "--average-decay", "0.9")]
    [TestCase("train", "--loss", "l1")]
    [TestCase("train", "--data", "cats")]
    [TestCase("train", "--model", "vgg99")]
    [TestCase("train", "--model", "digits", "--load", "x.safetensors")]
    [TestCase("train", "--load", "no-such-file.safetensors")]
    [TestCase("train", "--save", "no/such/folder/x.safetensors")]
    [TestCase("train", "--model", "lenet5")]
    [TestCase("eval")]
    [TestCase("eval", "--load", "no-such-file.safetensors")]
    [TestCase("summary", "--input", "28x28")]
    [TestCase("summary", "--model", "lenet5", "--input", "1x3x3")]
    [TestCase("bench")]
    [TestCase("bench", "--layer", "mb2icx")]
    [TestCase("bench", "--shapes", "no-such-file.txt")]
    [TestCase("bench", "--model", "vgg99")]
    [TestCase("bench", "--model", "lenet5", "--batch", "0")]
    [TestCase("bench", "--model", "lenet5", "--threads", "two")]
    [TestCase("bench", "--model", "lenet5", "--pass", "fwd")]
    [TestCase("bench", "--model", "lenet5", "--pass", "sideways")]
    [TestCase("bench", "--model", "lenet5", "--backends", "abacus")]
    [TestCase("bench", "--layer", "mb2ic4oc4", "--algorithm", "fft")]
    [TestCase("bench", "--layer", "max:mb2ic4ih8kh2")]
    [TestCase("doctor", "--backend", "abacus")]
    [TestCase("doctor", "--backend", "auto")]
    [TestCase("doctor", "--threads", "0")]
    [TestCase("gradcheck", "--layer", "mb2icx")]
    [TestCase("gradcheck", "--layer", "mb2ic4oc4", "mb2ic4oc4")]
    [TestCase("gradcheck", "--layer", "mb2ic4oc4", "--input", "1x8x8")]
    [TestCase("gradcheck", "--shapes", "no-such-file.txt")]
    [TestCase("gradcheck", "--batch", "0")]
    [TestCase("bench", "--model", "lenet5", "--backends", "auto")]
    [TestCase("compare")]
    [TestCase("compare", "--model", "lenet5", "--threads", "two")]
    public void WrongUsageIsExitCode2WithOneErrorAndNoStackTrace(params string[] args)
        => CommandLine.Run(args).IsRefusedWith();

    [Test]
    public void TheErrorNamesTheWayOut()
    {
        CommandLine.Run("trian").IsRefusedWith("There is no verb \"trian\". Use one of train, eval, ",
            "Did you mean \"train\"?", "See: convnet --help");
        CommandLine.Run("train", "--epoch", "3")
            .IsRefusedWith("train has no option \"--epoch\". Did you mean \"--epochs\"?", "See: convnet train --help");
        CommandLine.Run("bench", "--model", "digits", "--rond", "3")
            .IsRefusedWith("bench has no option \"--rond\". Did you mean \"--rounds\"?");
        CommandLine.Run("--versoin").IsRefusedWith("convnet has no option \"--versoin\". Did you mean \"--version\"?");
        CommandLine.Run("train", "digits")
            .IsRefusedWith("train takes no arguments, and \"digits\" does not belong to an option.");
        CommandLine.Run("train", "--epochs", "abc")
            .IsRefusedWith("--epochs is \"abc\"; it takes a whole number of at least 1.");
        CommandLine.Run("train", "--optimizer", "adma")
            .IsRefusedWith("--optimizer is \"adma\"; it takes sgd, adam, adamw, nadam, "
                + "rmsprop, adagrad, lion, lamb, lars or muon.", "Did you mean \"adam\"");
        CommandLine.Run("train", "--optimizer", "lars", "--beta1", "0.5").IsRefusedWith(
            "--beta1 is an option of adam, adamw, nadam, lion, lamb and muon; "
            + "lars has --momentum, --weight-decay, --trust-coefficient.");
        CommandLine.Run("train", "--optimizer", "adam", "--epsilon", "0")
            .IsRefusedWith("--epsilon is \"0\"; it takes a finite number above 0, for example 1E-08.");
        CommandLine.Run("train", "--save", "--epochs", "3")
            .IsRefusedWith("--save needs a value: --save FILE, followed by --epochs.");
        CommandLine.Run("train", "--backend", "cuda")
            .IsRefusedWith("There is no backend \"cuda\". Use one of auto, managed, native, ",
                ", torchsharp:unpadded.");
        CommandLine.Run("train", "--backend", "natve").IsRefusedWith("Did you mean \"native\"?");
        CommandLine.Run("gradcheck", "--backends", "manged").IsRefusedWith(". Use one of all, managed, ",
            "Did you mean \"managed\"?");
        CommandLine.Run("gradcheck", "--mode", "exat")
            .IsRefusedWith("There is no mode \"exat\". Use one of exact, real, plan, forward, steps, all. "
                + "Did you mean \"exact\"?");
        CommandLine.Run("bench", "--model", "digits", "--pass", "trian")
            .IsRefusedWith("There is no pass \"trian\". Use one of fwd, ", "Did you mean \"train\"?");
        CommandLine.Run("compare", "--model", "digits", "--backends", "natve")
            .IsRefusedWith("Did you mean \"native\"?");
        CommandLine.Run("train", "--model", "lenet").IsRefusedWith("There is no model \"lenet\"",
            "Did you mean \"lenet5\"?");
        CommandLine.Run("train", "--data", "digit").IsRefusedWith("There is no data set \"digit\"",
            "Did you mean \"digits\"?");
        CommandLine.Run("eval").IsRefusedWith("eval needs --load FILE.");
        CommandLine.Run("train", "--backend", "abacus").IsRefusedWith("\"abacus\"", "managed, ");
        CommandLine.Run("summary", "--model", "vgg99").IsRefusedWith("\"vgg99\"", "lenet5", "nor");
        CommandLine.Run("summary", "--model", "lenet5", "--input", "1x3x3")
            .IsRefusedWith("lenet5", "1×3×3", "1×28×28", "maxpool1");
        CommandLine.Run("train", "--backend", "managed", "--batch", "0")
            .IsRefusedWith("--batch is \"0\"; it takes a whole number of at least 1.");
        CommandLine.Run("train", "--sped", "9").IsRefusedWith("See: convnet train --help");
    }

    [TestCase]
    [TestCase("--json")]
    public void WithoutAVerbTheHelpIsShownAsAnError(params string[] args)
    {
        CommandLine run = CommandLine.Run(args);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.WrongUsage));
        Assert.That(run.Output, Is.Empty);
        Assert.That(run.Error, Does.Contain("Usage:").And.Contain("  train ").And.Contain("Examples:")
            .And.Not.Contain("Required command"));
    }

    [Test]
    public void TheErrorDoesNotCarryTheNamesOfTheProgramsParameters()
    {
        CommandLine run = CommandLine.Run("train", "--backend", "managed", "--batch", "0");
        run.IsRefusedWith();
        Assert.That(run.Error, Does.Not.Contain("Parameter '"));
    }

    [Test]
    public void EveryVerbHasHelpWithAnExampleThatParses([Values("train", "eval", "view", "summary", "backends",
        "layers", "doctor", "gradcheck", "bench", "compare")] string verb)
    {
        CommandLine help = CommandLine.Run(verb, "--help");
        Assert.That(help.ExitCode, Is.EqualTo(ExitCode.Ok));
        string[] examples = [.. help.Output.Split('\n').Select(line => line.Trim())
            .Where(line => line.StartsWith($"convnet {verb}", StringComparison.Ordinal) && !line.Contains('['))];
        Assert.That(examples, Is.Not.Empty);
        foreach (string example in examples)
            Assert.That(App.Describe().Parse(example.Split(' ')[1..]).Errors, Is.Empty, example);
    }

    [Test]
    public void TheHelpOfTheCommandListsEveryVerb()
    {
        CommandLine help = CommandLine.Run("--help");
        Assert.That(help.ExitCode, Is.EqualTo(ExitCode.Ok));
        foreach (string verb in (string[])["train", "eval", "view", "summary", "backends", "layers",
            "doctor", "gradcheck", "bench", "compare"])
            Assert.That(help.Output, Does.Contain($"  {verb} ").And.Contain($"  convnet {verb}"));
    }
}
