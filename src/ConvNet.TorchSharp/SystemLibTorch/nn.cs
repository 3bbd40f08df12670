using static TorchSharp.NativeMethods;

namespace TorchSharp;

internal static partial class torch
{
    internal static class nn
    {
        internal enum Reduction
        {
            None,
            Mean,
            Sum,
        }

        internal static class functional
        {
            public static Tensor conv2d(
                Tensor input, Tensor weight, Tensor? bias = null, long[]? strides = null, long[]? padding = null,
                long[]? dilation = null, long groups = 1) =>
                Made(ct_conv2d(
                    input.Handle, weight.Handle, OrNone(bias), Pair(strides, 1), Pair(padding, 0), Pair(dilation, 1), groups));

            public static Tensor linear(Tensor input, Tensor weights, Tensor? bias = null) =>
                Made(ct_linear(input.Handle, weights.Handle, OrNone(bias)));

            public static Tensor max_pool2d(
                Tensor input, long[] kernel_size, long[]? strides = null, long[]? padding = null, long[]? dilation = null,
                bool ceil_mode = false) =>
                Made(ct_max_pool2d(
                    input.Handle, Pair(kernel_size, 1), Pair(strides ?? kernel_size, 1), Pair(padding, 0), Pair(dilation, 1),
                    ceil_mode ? 1 : 0));

            public static Tensor avg_pool2d(
                Tensor input, long[] kernel_size, long[]? stride = null, long[]? padding = null, bool ceil_mode = false,
                bool count_include_pad = true, long? divisor_override = null) =>
                Made(ct_avg_pool2d(
                    input.Handle, Pair(kernel_size, 1), Pair(stride ?? kernel_size, 1), Pair(padding, 0), ceil_mode ? 1 : 0,
                    count_include_pad ? 1 : 0, divisor_override ?? 0));

            public static Tensor adaptive_avg_pool2d(Tensor input, long[] output_size) =>
                Made(ct_adaptive_avg_pool2d(input.Handle, Pair(output_size, 1)));

            public static Tensor batch_norm(
                Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight = null, Tensor? bias = null,
                bool training = false, double momentum = 0.1, double eps = 1e-5) =>
                Made(ct_batch_norm(
                    input.Handle, OrNone(weight), OrNone(bias), OrNone(running_mean), OrNone(running_var), training ? 1 : 0,
                    momentum, eps));

            public static Tensor cross_entropy(
                Tensor input, Tensor target, Tensor? weight = null, long ignore_index = -100,
                Reduction reduction = Reduction.Mean, double label_smoothing = 0.0) =>
                Made(ct_cross_entropy(
                    input.Handle, target.Handle, OrNone(weight), (long)reduction, ignore_index, label_smoothing));

            public static Tensor mse_loss(Tensor input, Tensor target, Reduction reduction = Reduction.Mean) =>
                Made(ct_mse_loss(input.Handle, target.Handle, (long)reduction));

            private static long[] Pair(long[]? values, long otherwise) => values switch
            {
                null => [otherwise, otherwise],
                [_, _] => values,
                [long both] => [both, both],
                _ => throw new ArgumentException($"A height and a width, not {values.Length} values."),
            };
        }
    }
}
