using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Reads samples of a data set through transforms. Not thread-safe.</summary>
internal sealed class SampleReader
{
    // The first node number of the random choices of transforms. Layers count up from 0, other streams down from −1.
    private const int FirstNode = int.MinValue;

    private readonly IDataset _data;
    private readonly IReadOnlyList<Transform> _transforms;
    private readonly Shape[] _shapes;
    private readonly float[] _x, _y;
    private readonly int[] _classes;
    private readonly float[] _values;

    /// <summary>Creates a reader.</summary>
    /// <param name="data">The data set.</param>
    /// <param name="transforms">The transforms, in the order in which they are applied.</param>
    /// <exception cref="ArgumentException">A transform does not accept the output of the one before it.</exception>
    public SampleReader(IDataset data, IReadOnlyList<Transform> transforms)
    {
        (_data, _transforms) = (data, transforms);
        _shapes = new Shape[transforms.Count + 1];
        _shapes[0] = data.Shape;
        for (int i = 0; i < transforms.Count; i++)
        {
            _shapes[i + 1] = transforms[i].Infer(_shapes[i]);
            _shapes[i + 1].ThrowIfDefault(transforms[i].GetType().Name, nameof(transforms));
        }
        int most = transforms.Count == 0 ? 0 : _shapes[..^1].Max(shape => shape.Length);
        (_x, _y) = (new float[most], new float[transforms.Count > 1 ? most : 0]);
        _classes = data.Target.Kind == TargetKind.Values ? [] : new int[data.Target.Length];
        _values = data.Target.Kind == TargetKind.Values ? new float[data.Target.Length] : [];
    }

    /// <summary>The shape of the inputs after the transforms.</summary>
    public Shape Shape => _shapes[^1];

    /// <summary>Reads the input of a sample without its target.</summary>
    public void Read(int index, ulong seed, int epoch, Span<float> input)
        => Read(index, seed, epoch, new Sample(input, _classes, _values));

    /// <summary>Reads a sample.</summary>
    /// <param name="index">The index of the sample.</param>
    /// <param name="seed">The seed of the random transforms.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="sample">Receives the sample.</param>
    /// <exception cref="DatasetException">The data set or a transform threw, or a class is out of range.</exception>
    public void Read(int index, ulong seed, int epoch, Sample sample)
    {
        Span<float> raw = _transforms.Count == 0 ? sample.Input : _x.AsSpan(0, _shapes[0].Length);
        // A sample must not depend on what was read before it.
        raw.Clear();
        sample.Classes.Clear();
        sample.Values.Clear();
        try
        {
            _data.Read(index, new Sample(raw, sample.Classes, sample.Values));
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new DatasetException(_data, index, error.Message, error);
        }
        if (_data.Target.FirstWrong(sample.Classes) is { } wrong)
            throw new DatasetException(_data, index,
                Invariant($"it gives class {wrong}, and there are classes 0 to {_data.Target.Classes - 1}."));
        Transform(index, seed, epoch, sample.Input);
    }

    private void Transform(int index, ulong seed, int epoch, Span<float> input)
    {
        (float[] from, float[] to) = (_x, _y);
        for (int i = 0; i < _transforms.Count; i++)
        {
            Span<float> y = i == _transforms.Count - 1 ? input : to.AsSpan(0, _shapes[i + 1].Length);
            y.Clear();
            try
            {
                _transforms[i].Apply(_shapes[i], from.AsSpan(0, _shapes[i].Length), y,
                    new RandomSequence(seed, FirstNode + i, epoch, index));
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                throw new DatasetException(_data, index, $"{_transforms[i].GetType().Name}: {error.Message}", error);
            }
            (from, to) = (to, from);
        }
    }
}
