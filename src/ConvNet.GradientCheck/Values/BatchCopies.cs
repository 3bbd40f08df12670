namespace ConvNet.GradientChecking;

/// <summary>Copies the values that a call reads, and allocates buffers of the sizes it writes.</summary>
internal static class BatchCopies
{
    /// <summary>Copies the values of a given number of tensors.</summary>
    public static float[][] ToArrays(this BatchValues values, int count)
    {
        var copies = new float[count][];
        for (int i = 0; i < count; i++)
            copies[i] = values[i].ToArray();
        return copies;
    }

    /// <summary>Allocates other buffers of the same lengths for a given number of tensors.</summary>
    public static float[][] Others(this BatchBuffers buffers, int count)
    {
        var others = new float[count][];
        for (int i = 0; i < count; i++)
            others[i] = new float[buffers[i].Length];
        return others;
    }
}
