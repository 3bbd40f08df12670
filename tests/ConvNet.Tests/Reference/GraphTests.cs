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
    public void ALayerWithOneInputIsAddedWithoutASpan()
    {
        // As from F# and Visual Basic, which have no spans of parameters.
        System.Reflection.MethodInfo[] adds = [.. typeof(Graph).GetMethods().Where(method => method.Name == "Add"
            && method.GetParameters()[^1].ParameterType == typeof(Node))];
        Assert.That(adds.Select(add => add.GetParameters().Length), Is.EquivalentTo((int[])[2, 3]));
        var graph = new Graph(new Shape(1, 4, 4));
        object? conv = adds.Single(add => add.GetParameters().Length == 2).Invoke(graph,
            [new Conv2d(2, 3), graph.Input]);
        object? relu = adds.Single(add => add.GetParameters().Length == 3).Invoke(graph, ["last", new Relu(), conv]);
        Assert.That(graph.Output, Is.SameAs(relu));
        Assert.That(graph["last"].Inputs.Single(), Is.SameAs(conv).And.Property("Name").EqualTo("conv1"));
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
    public void AGraphWithAnotherLayerIsTheSameElsewhere()
    {
        var graph = new Graph();
        Node image = graph.AddInput("image", new Shape(3, 8, 8)), place = graph.AddInput("place", Shape.Vector(2));
        Node features = graph.Append(image, new Conv2d(4, 3), new Relu(), new GlobalAvgPool2d());
        Node both = graph.Add(new Concat(), features, place);
        graph.SetOutputs(graph.Add("class", new Linear(10), both), graph.Add("box", new Linear(4), both));
        Compile(graph).Dispose();

        Graph other = graph.WithLayer("class", new Linear(5));
        Assert.That(other.Nodes.Select(node => (node.Name, node.Name == "class" ? null : node.Layer, node.Shape.C,
            string.Join(",", node.Inputs.Select(input => input.Name)))), Is.EqualTo(graph.Nodes.Select(node
                => (node.Name, node.Name == "class" ? null : node.Layer, node.Name == "class" ? 5 : node.Shape.C,
                    string.Join(",", node.Inputs.Select(input => input.Name))))));
        Assert.That(other.Outputs.Select(node => node.Name), Is.EqualTo((string[])["class", "box"]));
        Assert.That(graph["class"].Shape.C, Is.EqualTo(10));
        Assert.That(other.Add(new Relu(), other["box"]).Name, Is.EqualTo("relu2"), "it can be continued");
        Assert.That(() => graph.WithLayer("image", new Relu()), Throws.ArgumentException.With.Message.Contains(
            "\"image\" is an input"));
        Assert.That(() => graph.WithLayer("clas", new Relu()), Throws.TypeOf<KeyNotFoundException>().With.Message
            .Contains("Did you mean \"class\"?"));
        Assert.That(() => Sequential.Of(new Shape(3, 8, 8), new GlobalAvgPool2d(), new Linear(3)).WithLayer("gap1",
            new Relu()), Throws.ArgumentException.With.Message.Contains("linear1: linear needs a vector"));
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
