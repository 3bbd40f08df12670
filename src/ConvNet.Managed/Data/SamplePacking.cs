using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace ConvNet.Data;

/// <summary>Stores samples as records of the same length: the inputs, as bytes or as floats, and the targets.</summary>
internal sealed class SamplePacking
{
    private readonly InputShape[] _inputs;
    private readonly TargetDescription[] _targets;
    private readonly bool _areBytes;

    /// <summary>Creates a packing.</summary>
    /// <param name="dataset">The data set of the samples.</param>
    /// <param name="areBytes">Whether inputs are stored as bytes, which hold whole numbers from 0 to 255.</param>
    public SamplePacking(IDataset dataset, bool areBytes)
    {
        (_inputs, _targets, _areBytes) = ([.. dataset.InputShapes], [.. dataset.Targets], areBytes);
        long length = 0;
        foreach (InputShape input in _inputs)
            length += (long)input.Shape.Length * (areBytes ? 1 : sizeof(float));
        foreach (TargetDescription target in _targets)
            length += (long)target.Length * sizeof(int);
        Length = checked((int)length);
    }

    /// <summary>The length of a record in bytes.</summary>
    public int Length { get; }

    /// <summary>Stores a sample; false if an input is not bytes.</summary>
    public bool TryPack(Sample sample, Span<byte> record)
    {
        for (int i = 0; i < _inputs.Length; i++)
        {
            Span<float> input = sample.InputAt(i);
            if (_areBytes && !TryConvert(input, record))
                return false;
            if (!_areBytes)
                MemoryMarshal.AsBytes(input).CopyTo(record);
            record = record[(input.Length * (_areBytes ? 1 : sizeof(float)))..];
        }
        for (int i = 0; i < _targets.Length; i++)
        {
            MemoryMarshal.AsBytes(sample.ClassesAt(i)).CopyTo(record);
            MemoryMarshal.AsBytes(sample.ValuesAt(i)).CopyTo(record);
            record = record[(_targets[i].Length * sizeof(int))..];
        }
        return true;
    }

    /// <summary>Reads a sample.</summary>
    public void Unpack(ReadOnlySpan<byte> record, Sample sample)
    {
        for (int i = 0; i < _inputs.Length; i++)
        {
            Span<float> input = sample.InputAt(i);
            int length = input.Length * (_areBytes ? 1 : sizeof(float));
            if (_areBytes)
                TensorPrimitives.ConvertTruncating(record[..length], input);
            else
                record[..length].CopyTo(MemoryMarshal.AsBytes(input));
            record = record[length..];
        }
        for (int i = 0; i < _targets.Length; i++)
        {
            ReadOnlySpan<byte> target = record[..(_targets[i].Length * sizeof(int))];
            target.CopyTo(_targets[i].Kind == TargetKind.Values ? MemoryMarshal.AsBytes(sample.ValuesAt(i))
                : MemoryMarshal.AsBytes(sample.ClassesAt(i)));
            record = record[target.Length..];
        }
    }

    private static bool TryConvert(ReadOnlySpan<float> values, Span<byte> bytes)
    {
        for (int i = 0; i < values.Length; i++)
        {
            byte value = (byte)values[i];
            // −0 is a float of its own.
            if (value != values[i] || float.IsNegative(values[i]))
                return false;
            bytes[i] = value;
        }
        return true;
    }
}
