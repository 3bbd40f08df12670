using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using ConvNet.Measurement;
using ConvNet.Reports;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>No public record prints the name of a collection's type where its elements belong.</summary>
public sealed class RecordTextTests
{
    private static readonly Assembly[] s_assemblies =
        [typeof(Graph).Assembly, typeof(GradientReport).Assembly, typeof(CanaryReport).Assembly,
            typeof(NativeBackend).Assembly, typeof(TorchSharpBackend).Assembly, typeof(BenchResult).Assembly,
            typeof(Page).Assembly];

    private static IEnumerable<Type> Records => s_assemblies.SelectMany(assembly => assembly.GetExportedTypes())
        .Where(type => !type.IsAbstract && !type.ContainsGenericParameters && IsRecord(type)
            && PropertiesOf(type).Any(property => ElementOf(property.PropertyType) is not null));

    [Test]
    public void ThereAreRecordsWithCollections() => Assert.That(Records,
        Has.Some.EqualTo(typeof(GradientReport)).And.Some.EqualTo(typeof(Sgd)).And.Some.EqualTo(typeof(BenchResult)));

    [TestCaseSource(nameof(Records))]
    public void ARecordPrintsTheElementsOfItsCollections(Type type)
    {
        string text = Sample(type, 0)!.ToString()!;
        Assert.That(text, Does.Not.Match(@"`\d|\w\[\](?!\w)|System\.|Dictionary"), text);
        Assert.That(text, Is.Not.Empty);
    }

    [Test]
    public void ALongCollectionIsCutAndCounted()
        => Assert.That(RecordText.Of("R", ("A", (int[])[1, 2]), ("B", Enumerable.Range(0, 1000).ToArray()),
            ("C", null), ("D", 1.5), ("E", (string[][])[["x"], []])),
            Is.EqualTo("R { A = [1, 2], B = [0, 1, 2, 3, 4, 5, 6, 7, 992 more], C = , D = 1.5, E = [[x], []] }"));

    private static bool IsRecord(Type type) => type.GetMethod("PrintMembers",
        BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly) is not null;

    private static IEnumerable<PropertyInfo> PropertiesOf(Type type)
        => type.GetProperties(BindingFlags.Instance | BindingFlags.Public).Where(property
            => property.GetIndexParameters().Length == 0);

    private static Type? ElementOf(Type type) => type == typeof(string) ? null
        : type.IsArray ? type.GetElementType()
        : type.IsInterface && typeof(IEnumerable).IsAssignableFrom(type) && type.IsGenericType
            ? type.GetGenericArguments()[^1] : null;

    // A value of the type whose collections have an element each: what is in fields is set, whatever constructors say.
    private static object? Sample(Type type, int depth)
    {
        if (type == typeof(string))
            return "text";
        if (type == typeof(object))
            return 1;
        if (Nullable.GetUnderlyingType(type) is { } inner)
            return Sample(inner, depth);
        if (typeof(IDictionary).IsAssignableFrom(type) || (type.IsGenericType && type.Name.Contains("Dictionary",
            StringComparison.Ordinal)))
        {
            var dictionary = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>)
                .MakeGenericType(type.GetGenericArguments()))!;
            dictionary.Add(Sample(type.GetGenericArguments()[0], depth + 1)!, Sample(type.GetGenericArguments()[1],
                depth + 1));
            return dictionary;
        }
        if (ElementOf(type) is { } element)
        {
            var array = Array.CreateInstance(element, 1);
            array.SetValue(Sample(element, depth + 1), 0);
            return array;
        }
        if (type.IsPrimitive || type.IsEnum)
            return type.IsEnum ? Enum.GetValues(type).GetValue(0) : Activator.CreateInstance(type);
        if (type == typeof(IBackend))
            return new BackendVariant("managed", new ManagedBackend(1));
        if (type == typeof(Graph))
            return Sequential.Of(Shape.Vector(3), new Relu());
        if (type == typeof(Layer))
            return new Relu();
        if (type == typeof(Node))
            return Sequential.Of(Shape.Vector(3), new Relu()).Output;
        if (type == typeof(GradientCase))
            return new LayerGradientCase(new Relu(), [Shape.Vector(3)], new GradientCheckOptions());
        if (type == typeof(ConvNet.Reports.Block))
            return new Note("note");
        if (type == typeof(TensorReport))
            return new TensorReport("dw", 1, 2, 3, 0, 1, 2, Failed: 1, Suspects: 0);
        if (depth > 8 || type.IsAbstract || (!IsRecord(type) && !type.IsValueType))
            return null;
        object made = RuntimeHelpers.GetUninitializedObject(type);
        for (Type? level = type; level is not null && level != typeof(object); level = level.BaseType)
        {
            foreach (FieldInfo field in level.GetFields(
                BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                field.SetValue(made, Sample(field.FieldType, depth + 1));
        }
        return made;
    }
}
