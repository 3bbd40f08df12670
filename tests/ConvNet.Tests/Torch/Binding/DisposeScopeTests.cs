using NUnit.Framework;
using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet.Tests.Torch.Binding;

[TestFixture]
public sealed class DisposeScopeTests
{
    [Test]
    public void DisposesWhatWasMadeInIt()
    {
        Tensor made;
        using (NewDisposeScope())
        {
            made = zeros([2]).relu();
            Assert.That(made.IsInvalid, Is.False);
        }
        Assert.That(made.IsInvalid, Is.True);
    }

    [Test]
    public void LeavesWhatWasMadeOutsideAlone()
    {
        using Tensor outside = zeros([2]);
        using (NewDisposeScope())
            _ = outside.relu();
        Assert.That(outside.IsInvalid, Is.False);
    }

    [Test]
    public void MovesATensorOutwardOneScopeAtATime()
    {
        Tensor moved;
        using (NewDisposeScope())
        {
            using (NewDisposeScope())
                moved = zeros([1]).MoveToOuterDisposeScope();
            Assert.That(moved.IsInvalid, Is.False);
        }
        Assert.That(moved.IsInvalid, Is.True);
    }

    [Test]
    public void DetachesATensorFromAllScopes()
    {
        Tensor detached;
        using (NewDisposeScope())
        {
            using (NewDisposeScope())
                detached = zeros([1]).DetachFromDisposeScope();
        }
        Assert.That(detached.IsInvalid, Is.False);
        detached.Dispose();
        Assert.That(detached.IsInvalid, Is.True);
    }

    [Test]
    public void ForgetsATensorThatIsDisposedBeforeItEnds()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tensor = zeros([1]);
        int with = scope.DisposablesCount;
        tensor.Dispose();
        Assert.That((with, scope.DisposablesCount), Is.EqualTo((1, 0)));
    }

    [Test]
    public void DisposesOnAnException()
    {
        Tensor? made = null;
        void Fail()
        {
            using DisposeScope scope = NewDisposeScope();
            made = zeros([1]);
            throw new InvalidOperationException();
        }
        Assert.That(Fail, Throws.InvalidOperationException);
        Assert.That(made!.IsInvalid, Is.True);
    }

    [Test]
    public void IsAMatterOfItsThread()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? other = null;
        var thread = new Thread(() => other = zeros([1]));
        thread.Start();
        thread.Join();
        Assert.That(scope.DisposablesCount, Is.Zero);
        other!.Dispose();
    }
}
