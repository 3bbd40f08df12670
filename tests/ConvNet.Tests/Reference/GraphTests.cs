using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Graphs as they are described: their inputs and outputs, and what is refused.</summary>
public sealed class GraphTests
{
    [Test]
    public void TheOnlyEndIsTheOutputWhereverItStands()
    {
        var graph = new Graph(new Shape(1, 4, 4));
        Node conv = graph.Add(new Conv2d(2, 3), graph.Input);
        Assert.That(graph.Output, Is.SameAs(conv));
        Node relu = graph.Add(new Relu(), conv);
        Assert.That(graph.Outputs, Is.EqualTo(new[] { relu }));
        Assert.That(graph.Inputs, Is.EqualTo(new[] { graph.Input }));
    }

    [Test]
    public void EndsThatAreNoOutputsAreNamed()
    {
        var graph = new Graph(Shape.Vector(2));
        Node a = graph.Add("a", new Linear(3), graph.Input), b = graph.Add("b", new Linear(3), graph.Input);
        Assert.That(() => graph.Output, Throws.InvalidOperationException.With.Message.Contains("\"a\" and \"b\"")
            .And.Message.Contains("SetOutputs"));
        Refused(graph, "No layer reads \"a\" and \"b\"", "SetOutputs");
        graph.SetOutput(a);
        Refused(graph, "\"b\" is not used", "output is \"a\"");
        graph.SetOutputs(b, a);
        Assert.That(graph.Outputs, Is.EqualTo(new[] { b, a }), "in the order of the call, in place of those before");
        Assert.That(() => graph.Output, Throws.InvalidOperationException.With.Message.Contains("2 outputs"));
        Compile(graph).Dispose();
    }

    [Test]
    public void AnInputThatNothingReadsLeadsNowhere()
    {
        var graph = new Graph();
        graph.Add(new Relu(), graph.AddInput("a", Shape.Vector(2)));
        graph.AddInput("b", Shape.Vector(2));
        Refused(graph, "\"b\" is not used");
        Assert.That(() => graph.Input, Throws.InvalidOperationException.With.Message.Contains("\"a\" and \"b\""));
    }

    [Test]
    public void WhatCannotBeAnInputOrOutputIsRefused()
    {
        var graph = new Graph();
        Assert.That(() => graph.Input, Throws.InvalidOperationException.With.Message.Contains("AddInput"));
        Assert.That(() => graph.Output, Throws.InvalidOperationException.With.Message.Contains("no layers"));
        Node x = graph.AddInput("x", Shape.Vector(2)), y = graph.Add("y", new Relu(), x);
        Assert.That(() => graph.AddInput("y", Shape.Vector(2)),
            Throws.ArgumentException.With.Message.Contains("\"y\""));
        Assert.That(() => graph.AddInput("", Shape.Vector(2)), Throws.ArgumentException.With.Message.Contains("empty"));
        Assert.That(() => graph.AddInput("z", default), Throws.ArgumentException);
        Assert.That(() => graph.SetOutputs(), Throws.ArgumentException.With.Message.Contains("at least one"));
        Assert.That(() => graph.SetOutputs(y, y), Throws.ArgumentException.With.Message.Contains("twice"));
        Node other = Sequential.Of(Shape.Vector(2), new Relu()).Output;
        Assert.That(() => graph.SetOutput(other), Throws.ArgumentException.With.Message.Contains("another graph"));
        Assert.That(graph.Outputs, Is.EqualTo(new[] { y }), "nothing was changed");
    }

    private static void Refused(Graph graph, params string[] words)
    {
        string message = Assert.Throws<ArgumentException>(() => Compile(graph))!.Message;
        foreach (string word in words)
            Assert.That(message, Does.Contain(word));
    }

    private static IExecutable Compile(Graph graph) => new ManagedBackend().CompileInference(graph, 1);
}
