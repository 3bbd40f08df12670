namespace ConvNet.GradientChecking;

/// <summary>Copies of what a call reads, and memory for as much as it writes.</summary>
internal static class BatchCopies
{
    /// <summary>Copies of the values of so many tensors.</summary>
    public static float[][] ToArrays(this BatchValues values, int count)
    {
        var copies = new float[count][];
        for (int i = 0; i < count; i++)
            copies[i] = values[i].ToArray();
        return copies;
    }

    /// <summary>Other memory for so many tensors, of the same lengths.</summary>
    public static float[][] Others(this BatchBuffers buffers, int count)
    {
        var others = new float[count][];
        for (int i = 0; i < count; i++)
            others[i] = new float[buffers[i].Length];
        return others;
    }
}
