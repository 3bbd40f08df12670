namespace ConvNet.Tests.History;

/// <summary>A loss with a defect. As it stands, it is the right loss in the same wrapping.</summary>
/// <param name="Right">The loss without the defect.</param>
internal record DefectiveLoss(Loss Right) : Loss
{
    public override TargetKind Takes => Right.Takes;

    public override int? IgnoredClass => Right.IgnoredClass;

    public override T Evaluate<T>(in LossFrame<T> f) => Right.Evaluate(f);
}

/// <summary>The mean is taken over all samples, also those that are ignored.</summary>
internal sealed record CountsIgnored(Loss Right) : DefectiveLoss(Right)
{
    public override T Evaluate<T>(in LossFrame<T> f)
    {
        T share = f.TotalWeight / T.CreateChecked(f.N), loss = base.Evaluate(f);
        foreach (ref T gradient in f.DY)
            gradient *= share;
        return loss * share;
    }
}

/// <summary>At the hinge itself, the derivative is 1.</summary>
internal sealed record IncludesTheHinge(MulticlassSvm Svm) : DefectiveLoss(Svm)
{
    public override T Evaluate<T>(in LossFrame<T> f)
    {
        // Between whole numbers, a little more margin moves only what is at the hinge.
        new MulticlassSvm(Svm.Margin + 0.125f).Evaluate(f);
        return base.Evaluate(new LossFrame<T>(f.Output, f.Y, f.Targets, new T[f.DY.Length]));
    }
}

/// <summary>A label is kept in a byte.</summary>
internal sealed record LabelsInBytes(Loss Right) : DefectiveLoss(Right)
{
    public override T Evaluate<T>(in LossFrame<T> f)
    {
        int[] labels = Array.ConvertAll(f.Targets.Classes.ToArray(), label => (int)(byte)label);
        return base.Evaluate(
            new LossFrame<T>(f.Output, f.Y, Targets.Of(labels).Weighted(f.Targets.SampleWeights), f.DY));
    }
}

/// <summary>Softmax exponentiates the scores as they are, without subtracting the largest.</summary>
internal sealed record WithoutShift(Loss Right) : DefectiveLoss(Right)
{
    public override T Evaluate<T>(in LossFrame<T> f)
    {
        (T total, T weights) = (T.Zero, T.Zero);
        for (int n = 0; n < f.N; n++)
            weights += f.Targets.Classes[n] == IgnoredClass ? T.Zero : f.Weight(n);
        for (int n = 0; n < f.N; n++)
        {
            ReadOnlySpan<T> y = f.Y.Slice(n * f.Output.C, f.Output.C);
            Span<T> dy = f.DY.Slice(n * f.Output.C, f.Output.C);
            int target = f.Targets.Classes[n];
            dy.Clear();
            if (target == IgnoredClass)
                continue;
            T sum = T.Zero, weight = f.Weight(n) / weights;
            for (int j = 0; j < y.Length; j++)
                sum += dy[j] = T.Exp(y[j]);
            total += (T.Log(sum) - y[target]) * weight;
            for (int j = 0; j < y.Length; j++)
                dy[j] = (dy[j] / sum - (j == target ? T.One : T.Zero)) * weight;
        }
        return total;
    }
}
