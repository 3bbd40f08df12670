using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using ConvNet.UserLayers;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>A gradient check as the assertion of somebody's own test.</summary>
public sealed class GradientReportTests
{
    private static readonly Layer s_layer = new Conv2d(4, 3, padding: 1);
    private static readonly Shape[] s_inputs = [new Shape(3, 5, 7)];
    private static readonly GradientCheckOptions s_options = new() { BatchSize = 2, Seed = 7 };

    [Test]
    public void AFailureSaysWhatIsWrongWhereAndHowToSeeItAgain()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("my case.json");
        using var faulty = new BackendVariant("managed", new FaultyBackend(new ManagedBackend(),
            new Fault(FaultKind.TermLeftOut, FaultTarget.WeightGradient, Seed: 3)));
        GradientReport report = GradientCheck.Run(s_layer, s_inputs, [faulty], s_options);
        GradientCheckException failure = Assert.Throws<GradientCheckException>(() => report.ThrowIfFailed(file))!;
        (LayerReport layer, TensorReport worst) = report.Worst!.Value;
        Assert.Multiple(() =>
        {
            Assert.That(failure.Report, Is.SameAs(report));
            Assert.That(failure.Message,
                Does.StartWith("fail: ").And.Contain($"dw of conv on managed, {GradientWords.Of(layer.Mode)}")
                .And.Contain($"element {worst.Index} is {worst.Got:G9} and should be {worst.Truth:G9}")
                    .And.Contain("the bits must be equal").And.Contain("of the bound"));
            Assert.That(failure.Message.Split('\n')[^1],
                Is.EqualTo($"reproduce: convnet gradcheck --case '{file}' --backends managed --threads "
                    + $"{Environment.ProcessorCount}"));
            Assert.That(GradientCaseFile.Load(file), Is.EqualTo(report.Case).Using<GradientCase>((a,
                b) => $"{a}" == $"{b}"));
        });
    }

    [Test]
    public void TheTextOfAReportIsThatOfTheExceptionWithoutAFile()
    {
        using var faulty = new BackendVariant("managed", new FaultyBackend(new ManagedBackend(),
            new Fault(FaultKind.FactorOfTwo, FaultTarget.Output)));
        string text = GradientCheck.Run(s_layer, s_inputs, [faulty], s_options).ToString();
        Assert.That(text, Does.StartWith("fail: ").And.Contain("y of conv on managed")
            .And.Contain("reproduce: GradientCheck.Run of Conv2d").And.Contain("BatchSize = 2").And.Contain("Seed = 7")
            .And.Not.Contain("`1"));
    }

    [Test]
    public void ANamedCommandRunsTheCaseOfTheBackendsOwnName()
    {
        using var native = new NativeBackend(1);
        GradientReport report = GradientCheck.Run(s_layer, s_inputs, [native], s_options);
        string isa = native.Info.Isa;
        Assert.That(report.Origin!.Command("case.json", [$"native/{isa}"]),
            Is.EqualTo($"convnet gradcheck --case case.json --backends native:{isa} --threads 1"));
    }

    [Test]
    public void ALayerOfOnesOwnHasTheCallInTheMessageAndLeavesNoFile()
    {
        using var managed = new ManagedBackend();
        using var folder = new TemporaryFolder();
        GradientReport report = GradientCheck.Run(new WrongSlope(), [Shape.Vector(5)], [managed], s_options);
        GradientCheckException failure = Assert.Throws<GradientCheckException>(()
            => report.ThrowIfFailed(folder.File("case.json")))!;
        Assert.That(failure.Message,
            Does.Contain("dx of wrongslope on reference, forward mode")
                .And.Contain("reproduce: GradientCheck.Run of WrongSlope"));
        Assert.That(folder.File("case.json"), Does.Not.Exist);
    }

    [Test]
    public void ALayerWithADeclarationThatTheCommandDoesNotKnowHasTheCallToo()
    {
        using var faulty = new FaultyBackend(new ManagedBackend(), new Fault(FaultKind.FactorOfTwo,
            FaultTarget.Output));
        using var folder = new TemporaryFolder();
        GradientReport report = GradientCheck.Run(new GainRelu(), s_inputs, [faulty], s_options);
        Assert.That(() => report.ThrowIfFailed(folder.File("case.json")), Throws.TypeOf<GradientCheckException>()
            .With.Message.Contains("reproduce: GradientCheck.Run of GainRelu"));
        Assert.That(folder.File("case.json"), Does.Not.Exist);
    }

    [Test]
    public void AFileThatCannotBeWrittenDoesNotHideWhatIsWrong()
    {
        using var faulty = new BackendVariant("managed", new FaultyBackend(new ManagedBackend(),
            new Fault(FaultKind.FactorOfTwo, FaultTarget.Output)));
        GradientReport report = GradientCheck.Run(s_layer, s_inputs, [faulty], s_options);
        Assert.That(() => report.ThrowIfFailed("/no/such/folder/case.json"), Throws.TypeOf<GradientCheckException>()
            .With.Message.Contains("y of conv on managed").And.Message.Contains("reproduce: GradientCheck.Run")
                .And.Message.Contains("could not be written"));
    }

    [Test]
    public void ALossHasTheCommandOrTheCall()
    {
        using var faulty = new FaultyBackend(new ManagedBackend(), new Fault(FaultKind.FactorOfTwo,
            FaultTarget.InputGradient));
        using var folder = new TemporaryFolder();
        string file = folder.File("case.json");
        GradientReport report = GradientCheck.Run(new MulticlassSvm(), 5, [faulty], s_options);
        Assert.That(() => report.ThrowIfFailed(file),
            Throws.TypeOf<GradientCheckException>()
                .With.Message.Contains($"reproduce: convnet gradcheck --case {file} --backends managed"));
        Assert.That(GradientCaseFile.Load(file), Is.EqualTo(report.Case).Using<GradientCase>((a, b)
            => $"{a}" == $"{b}"));
        GradientReport own = GradientCheck.Run(new OwnLoss(), 5, [faulty], s_options);
        Assert.That(() => own.ThrowIfFailed(file), Throws.TypeOf<GradientCheckException>()
            .With.Message.Contains("reproduce: GradientCheck.Run of OwnLoss").And.Message.Contains("for 5 outputs"));
    }

    [Test]
    public void WhatIsRightThrowsNothingAndSaysHowRight()
    {
        using var managed = new ManagedBackend();
        GradientReport report = GradientCheck.Run(s_layer, s_inputs, [managed], s_options);
        Assert.That(() => report.ThrowIfFailed(), Throws.Nothing);
        Assert.That(report.ToString(), Does.StartWith("pass: ").And.Contain("The worst: ")
            .And.Not.Contain("reproduce"));
    }

    [Test]
    public void ACheckOfNothingIsNoPass()
    {
        using var managed = new ManagedBackend();
        GradientReport nobody = GradientCheck.Run(s_layer, s_inputs, [],
            new GradientCheckOptions { Modes = CheckModes.Exact });
        GradientReport rounds = GradientCheck.Run(new SoftmaxCrossEntropy(), 3, [managed],
            new GradientCheckOptions { Modes = CheckModes.Exact });
        Assert.That(() => nobody.ThrowIfFailed(),
            Throws.TypeOf<GradientCheckException>().With.Message.Contains("nothing was compared"));
        Assert.That(() => rounds.ThrowIfFailed(),
            Throws.TypeOf<GradientCheckException>().With.Message.Contains("gap in exact mode at SoftmaxCrossEntropy"));
    }

    private sealed record OwnLoss : Loss
    {
        public override TargetKind Takes => TargetKind.Classes;

        public override T Evaluate<T>(in LossFrame<T> f) => new MulticlassSvm().Evaluate(f);
    }

    private sealed record WrongSlope : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override void Forward<T>(in Frame<T> f) => f.X(0).CopyTo(f.Y);

        public override void Backward<T>(in Frame<T> f)
        {
            for (int i = 0; f.WantsDX(0) && i < f.DY.Length; i++)
                f.DX(0)[i] = f.DY[i] + f.DY[i];
        }
    }
}
