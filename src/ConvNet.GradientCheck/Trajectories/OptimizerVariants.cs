using System.Globalization;

namespace ConvNet.GradientChecking;

/// <summary>The optimisers of a declaration with two values for each of their options, so that every pair of options
/// meets with every pair of values.</summary>
internal static class OptimizerVariants
{
    /// <summary>Returns the optimisers: first the usual one, then those with further pairs.</summary>
    /// <param name="declaration">The declaration. Each of its attributes has its default or another value, a dyadic
    /// number with which small integers stay exact. Combinations that the optimiser refuses are left out.</param>
    public static IEnumerable<Optimizer> Of(OptimizerDeclaration declaration)
    {
        var values = new AttributeValues([]);
        Optimizer usual = declaration.Make(values);
        IReadOnlyList<AttributeDeclaration> attributes = declaration.Attributes;
        int all = (1 << attributes.Count) - 1;
        var met = new HashSet<(int, bool, int, bool)>();
        foreach (int set in Enumerable.Range(0, all + 1).OrderBy(set => set != 0).ThenBy(set => set != all))
        {
            bool IsChanged(int attribute) => (set >> attribute & 1) == 1;
            AttributeValues changed = values.With(attributes.Where((_, i) => IsChanged(i))
                .Select(attribute => (attribute, Other(attribute, attribute.ValueOf(usual)))));
            if (TryMake(declaration, changed) is not { } optimizer)
                continue;
            int before = met.Count;
            for (int i = 0; i < attributes.Count; i++)
            {
                for (int j = 0; j <= i; j++)
                    met.Add((i, IsChanged(i), j, IsChanged(j)));
            }
            if (met.Count > before)
                yield return optimizer;
        }
    }

    // Options that contradict each other are refused with an exception, as Nesterov momentum without momentum.
    private static Optimizer? TryMake(OptimizerDeclaration declaration, AttributeValues values)
    {
        try
        {
            return declaration.Make(values);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static object Other(AttributeDeclaration attribute, object usual) => usual switch
    {
        bool flag => !flag,
        int number => number + 1,
        float or double => Convert.ChangeType(Dyadic(attribute, Convert.ToDouble(usual, CultureInfo.InvariantCulture)),
            usual.GetType(), CultureInfo.InvariantCulture),
        _ => throw new NotSupportedException(
            $"The attribute {attribute.Name} is a {attribute.Type}; only numbers and flags have other values here."),
    };

    private static double Dyadic(AttributeDeclaration attribute, double usual) => ((double[])[0.5, 0.25, 1, 2])
        .First(value => value != usual && attribute.Interval!.Value.Contains(value));
}
