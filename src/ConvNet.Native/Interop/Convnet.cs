using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace ConvNet.Native.Interop;

/// <summary>The functions of native/include/convnet.h, with the same names and in the same order.</summary>
/// <remarks>No function may be called before <see cref="NativeLibraryFile.Loaded"/> has checked the version of the
/// library.</remarks>
internal static unsafe partial class Convnet
{
    public const int CN_VERSION_MAJOR = 16, CN_VERSION_MINOR = 4;
    public const int CN_BLOCK = 16;
    public const int CN_MOST_SIZE = Limits.NativeSize;
    public const int CN_MOST_WINDOW = Limits.Window;
    public const int CN_MOST_MAXIMUM = Limits.NativeMaximum;
    public const int CN_NO_WINNER = 255;
    public const int CN_MOST_STATES = 4;
    public const int CN_ACTIVATIONS = 24;
    public const int CN_ALGORITHMS = 3;
    public const int CN_SUM_RUN = 4096;

    internal const string Library = "convnet";

    [LibraryImport(Library)]
    public static partial int cn_version();

    [LibraryImport(Library)]
    public static partial byte* cn_status_text(int status);

    [LibraryImport(Library)]
    public static partial int cn_threads_create(in cn_threads_options options, out nint threads);

    [LibraryImport(Library)]
    public static partial int cn_threads_destroy(nint threads);

    [LibraryImport(Library)]
    public static partial cn_features cn_cpu_features();

    [LibraryImport(Library)]
    public static partial long cn_kernel_feature(in cn_context context);

    [LibraryImport(Library)]
    public static partial int cn_team_size(in cn_context context, double operations);

    [LibraryImport(Library)]
    public static partial long cn_tensor_bytes(in cn_tensor tensor, int n);

    [LibraryImport(Library)]
    public static partial int cn_reorder(in cn_context context, in cn_tensor from, in cn_tensor to, int n, void* src,
        void* dst);

    [LibraryImport(Library)]
    public static partial int cn_copy_channels(in cn_context context, in cn_tensor from, in cn_tensor to, int n,
        int from_channel, int to_channel, int channels, void* src, void* dst);

    [LibraryImport(Library)]
    public static partial int cn_bias_add(in cn_context context, in cn_tensor tensor, int n, float* bias, void* y);

    [LibraryImport(Library)]
    public static partial int cn_bias_gradient(in cn_context context, in cn_tensor tensor, int n, void* dy, float* db);

    [LibraryImport(Library)]
    public static partial long cn_pool2d_winner_bytes(in cn_pool2d pool, int n);

    [LibraryImport(Library)]
    public static partial int cn_pool2d_forward(in cn_context context, in cn_pool2d pool, int n, void* x, void* y,
        byte* winners);

    [LibraryImport(Library)]
    public static partial int cn_pool2d_backward(in cn_context context, in cn_pool2d pool, int n, void* x,
        byte* winners, void* dy, void* dx);

    [LibraryImport(Library)]
    public static partial int cn_resample(in cn_context context, in cn_resampling op, int n, void* x, void* y);

    [LibraryImport(Library)]
    public static partial int cn_rearrange(in cn_context context, in cn_rearrangement op, int n, void* x, void* y);

    [LibraryImport(Library)]
    public static partial int cn_optimizer_step(in cn_context context, in cn_optimizer optimizer, float learning_rate,
        int segment_count, cn_segment* segments, float* gradients, float** states, float* weights);

    [LibraryImport(Library)]
    public static partial long cn_conv2d_weight_bytes(in cn_conv2d conv);

    [LibraryImport(Library)]
    public static partial byte* cn_conv2d_weight_order(in cn_conv2d conv);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_layout(in cn_conv2d conv);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_describe(in cn_context context, in cn_conv2d conv, cn_epilogue* epilogue,
        cn_pass pass, int n, cn_conv2d_variant* variant);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_pack_weights(in cn_context context, in cn_conv2d conv, float* oihw,
        void* packed);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_unpack_weights(in cn_context context, in cn_conv2d conv, void* packed,
        float* oihw);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_transform_weights(in cn_context context, in cn_conv2d conv, cn_pass pass,
        void* w, void* transformed);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_forward(in cn_context context, in cn_conv2d conv, cn_epilogue* epilogue, int n,
        void* x, void* w, void* y, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_backward_data(in cn_context context, in cn_conv2d conv, cn_epilogue* epilogue,
        int n, void* dy, void* w, void* dx, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_backward_weights(in cn_context context, in cn_conv2d conv,
        cn_epilogue* epilogue, int n, void* x, void* dy, cn_gradients* gradients, void* workspace,
        long workspace_bytes);

    [LibraryImport(Library)]
    public static partial long cn_linear_weight_bytes(in cn_linear linear);

    [LibraryImport(Library)]
    public static partial long cn_linear_workspace_bytes(in cn_context context, in cn_linear linear, cn_pass pass,
        int n);

    [LibraryImport(Library)]
    public static partial int cn_linear_pack_weights(in cn_context context, in cn_linear linear, float* plain,
        void* packed);

    [LibraryImport(Library)]
    public static partial int cn_linear_unpack_weights(in cn_context context, in cn_linear linear, void* packed,
        float* plain);

    [LibraryImport(Library)]
    public static partial int cn_linear_forward(in cn_context context, in cn_linear linear, cn_epilogue* epilogue,
        int n, void* x, void* w, void* y, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_linear_backward_data(in cn_context context, in cn_linear linear, int n, void* dy,
        void* w, void* dx, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_linear_backward_weights(in cn_context context, in cn_linear linear,
        cn_epilogue* epilogue, int n, void* x, void* dy, cn_gradients* gradients, void* workspace,
        long workspace_bytes);

    [LibraryImport(Library)]
    public static partial long cn_row_statistics_bytes(in cn_tensor tensor, int n);

    [LibraryImport(Library)]
    public static partial int cn_row_statistics(in cn_context context, in cn_tensor tensor, int n, void* x,
        float* statistics);

    [LibraryImport(Library)]
    public static partial long cn_batch_norm_workspace_bytes(in cn_context context, in cn_batch_norm norm, int n);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_forward(in cn_context context, in cn_batch_norm norm,
        cn_epilogue* epilogue, int n, void* x, float* statistics, float* scale, float* shift, void* y, float* mean,
        float* inverse_std, float* running_mean, float* running_variance, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_infer(in cn_context context, in cn_batch_norm norm, cn_epilogue* epilogue,
        int n, void* x, float* scale, float* shift, float* running_mean, float* running_variance, void* y);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_apply(in cn_context context, in cn_batch_norm norm, cn_epilogue* epilogue,
        int n, void* x, float* scale, float* shift, float* mean, float* inverse_std, void* y);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_backward(in cn_context context, in cn_batch_norm norm,
        cn_epilogue* epilogue, int n, void* x, void* dy, float* scale, float* shift, float* mean, float* inverse_std,
        void* dx, float* dscale, float* dshift, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_moments(in cn_context context, in cn_batch_norm norm, int n,
        float* statistics, double* moments, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_forward_shared(in cn_context context, in cn_batch_norm norm,
        cn_epilogue* epilogue, int n, void* x, double count, double* moments, float* scale, float* shift, void* y,
        float* mean, float* inverse_std, float* running_mean, float* running_variance);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_backward_sums(in cn_context context, in cn_batch_norm norm,
        cn_epilogue* epilogue, int n, void* x, void* dy, float* scale, float* shift, float* mean, float* inverse_std,
        double* sums, float* dscale, float* dshift, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_backward_shared(in cn_context context, in cn_batch_norm norm,
        cn_epilogue* epilogue, int n, void* x, void* dy, float* scale, float* shift, float* mean, float* inverse_std,
        double count, double* sums, void* dx, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial long cn_sample_norm_statistics_bytes(in cn_sample_norm norm, int n);

    [LibraryImport(Library)]
    public static partial int cn_sample_norm_forward(in cn_context context, in cn_sample_norm norm, int n, void* x,
        float* scale, float* shift, void* y, float* mean, float* inverse_std);

    [LibraryImport(Library)]
    public static partial long cn_sample_norm_workspace_bytes(in cn_context context, in cn_sample_norm norm, int n);

    [LibraryImport(Library)]
    public static partial int cn_sample_norm_backward(in cn_context context, in cn_sample_norm norm, int n, void* x,
        void* dy, float* scale, float* mean, float* inverse_std, void* dx, float* dscale, float* dshift,
        void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_softmax_forward(in cn_context context, in cn_softmax softmax, int n, void* x,
        void* y);

    [LibraryImport(Library)]
    public static partial int cn_softmax_backward(in cn_context context, in cn_softmax softmax, int n, void* y,
        void* dy, void* dx);

    [LibraryImport(Library)]
    public static partial long cn_lrn_workspace_bytes(in cn_context context, in cn_lrn lrn, int n);

    [LibraryImport(Library)]
    public static partial int cn_lrn_forward(in cn_context context, in cn_lrn lrn, int n, void* x, void* y,
        void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_lrn_backward(in cn_context context, in cn_lrn lrn, int n, void* x, void* dy, void* dx,
        void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_activation_forward(in cn_context context, in cn_elementwise op, int n, void* a,
        void* @out);

    [LibraryImport(Library)]
    public static partial int cn_activation_backward(in cn_context context, in cn_elementwise op, int n, void* a,
        void* dy, void* dx);

    [LibraryImport(Library)]
    public static partial int cn_add(in cn_context context, in cn_elementwise op, int n, void* a, void* b, void* @out);

    [LibraryImport(Library)]
    public static partial int cn_subtract(in cn_context context, in cn_elementwise op, int n, void* a, void* b,
        void* @out);

    [LibraryImport(Library)]
    public static partial int cn_multiply(in cn_context context, in cn_elementwise op, int n, void* a, void* b,
        void* @out);

    [LibraryImport(Library)]
    public static partial int cn_channel_scale_forward(in cn_context context, in cn_channel_scale op, int n, void* x,
        float* s, void* y);

    [LibraryImport(Library)]
    public static partial long cn_channel_scale_workspace_bytes(in cn_context context, in cn_channel_scale op, int n);

    [LibraryImport(Library)]
    public static partial int cn_channel_scale_backward(in cn_context context, in cn_channel_scale op, int n, void* x,
        void* dy, float* s, void* dx, float* ds, void* workspace, long workspace_bytes);

    [LibraryImport(Library)]
    public static partial int cn_dropout_apply(in cn_context context, in cn_dropout dropout, int n,
        int first_sample, uint step, void* x, void* y);

    [LibraryImport(Library)]
    public static partial int cn_accumulate(in cn_context context, long count, float* src, float* dst);

    [LibraryImport(Library)]
    public static partial int cn_fill(in cn_context context, long count, float value, float* dst);

    [LibraryImport(Library)]
    public static partial int cn_scale(in cn_context context, long count, float factor, float* dst);

    [LibraryImport(Library)]
    public static partial int cn_clamp(in cn_context context, long count, float most, float* dst);

    [LibraryImport(Library)]
    public static partial int cn_sums_of_squares(in cn_context context, long count, float* x, double* sums);

    [LibraryImport(Library)]
    public static partial int cn_loss_evaluate(in cn_context context, in cn_loss descriptor, int n, float* output,
        void* targets, float* weights, double* loss, float* doutput);

    [LibraryImport(Library)]
    public static partial int cn_fma_rounds(in cn_context context, long rounds, float* counts);

    [LibraryImport(Library)]
    public static partial int cn_triad(in cn_context context, long count, float scale, float* a, float* b, float* @out);
}
