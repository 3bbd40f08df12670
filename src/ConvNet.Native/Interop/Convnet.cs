using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace ConvNet.Native.Interop;

/// <summary>The functions of native/include/convnet.h, with the same names and in the same order.</summary>
/// <remarks>No function may be called before <see cref="NativeLibraryFile.Loaded"/> has checked the ABI version of the
/// library.</remarks>
internal static unsafe partial class Convnet
{
    public const int CN_ABI_VERSION = 15;
    public const int CN_BLOCK = 16;
    public const int CN_MOST_STATES = 2;
    public const int CN_SUM_RUN = 4096;
    public const int CN_MOST_SIZE = Limits.NativeSize;
    public const int CN_MOST_WINDOW = Limits.Window;
    public const int CN_MOST_MAXIMUM = Limits.NativeMaximum;
    public const int CN_NO_WINNER = 255;

    internal const string Library = "convnet";

    [LibraryImport(Library)]
    public static partial int cn_abi_version();

    [LibraryImport(Library)]
    public static partial cn_isa cn_cpu_isa();

    [LibraryImport(Library)]
    public static partial int cn_team_size(in cn_context context, double operations);

    [LibraryImport(Library)]
    public static partial byte* cn_status_text(int status);

    [LibraryImport(Library)]
    public static partial long cn_tensor_floats(in cn_tensor tensor, int n);

    [LibraryImport(Library)]
    public static partial int cn_reorder(in cn_context context, in cn_tensor from, in cn_tensor to, int n, float* src,
        float* dst);

    [LibraryImport(Library)]
    public static partial int cn_copy_channels(in cn_context context, in cn_tensor from, in cn_tensor to, int n,
        int from_channel, int to_channel, int channels, float* src, float* dst);

    [LibraryImport(Library)]
    public static partial int cn_bias_add(in cn_context context, in cn_tensor tensor, int n, float* bias, float* y);

    [LibraryImport(Library)]
    public static partial int cn_bias_gradient(in cn_context context, in cn_tensor tensor, int n, float* dy, float* db);

    [LibraryImport(Library)]
    public static partial int cn_optimizer_step(in cn_context context, in cn_optimizer optimizer, float learning_rate,
        int segment_count, cn_segment* segments, float* gradients, float** states, float* weights);

    [LibraryImport(Library)]
    public static partial long cn_conv2d_weight_floats(in cn_conv2d conv);

    [LibraryImport(Library)]
    public static partial long cn_conv2d_workspace_floats(in cn_context context, in cn_conv2d conv, cn_pass pass,
        int n);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_halo(in cn_conv2d conv, cn_pass pass);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_pack_weights(in cn_context context, in cn_conv2d conv, float* oihw,
        float* packed);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_unpack_weights(in cn_context context, in cn_conv2d conv, float* packed,
        float* oihw);

    [LibraryImport(Library)]
    public static partial long cn_conv2d_transformed_floats(in cn_conv2d conv, cn_pass pass);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_transform_weights(in cn_context context, in cn_conv2d conv, cn_pass pass,
        float* w, float* transformed);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_forward(in cn_context context, in cn_conv2d conv, int n, float* x, float* w,
        float* bias, float* add,
        float* y, float* statistics, float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_backward_data(in cn_context context, in cn_conv2d conv, int n, float* dy,
        float* w, float* add,
        float* x, float* dx, float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_backward_weights(in cn_context context, in cn_conv2d conv, int n, float* x,
        float* dy, float* dw,
        float* db, cn_update* update, float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial long cn_linear_weight_floats(in cn_linear linear);

    [LibraryImport(Library)]
    public static partial long cn_linear_workspace_floats(in cn_context context, in cn_linear linear, cn_pass pass,
        int n);

    [LibraryImport(Library)]
    public static partial int cn_linear_pack_weights(in cn_context context, in cn_linear linear, float* plain,
        float* packed);

    [LibraryImport(Library)]
    public static partial int cn_linear_unpack_weights(in cn_context context, in cn_linear linear, float* packed,
        float* plain);

    [LibraryImport(Library)]
    public static partial int cn_linear_forward(in cn_context context, in cn_linear linear, int n, float* x, float* w,
        float* bias, float* y,
        float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial int cn_linear_backward_data(in cn_context context, in cn_linear linear, int n, float* dy,
        float* w, float* dx,
        float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial int cn_linear_backward_weights(in cn_context context, in cn_linear linear, int n, float* x,
        float* dy, float* dw,
        float* db, cn_update* update, float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial long cn_pool2d_winner_bytes(in cn_pool2d pool, int n);

    [LibraryImport(Library)]
    public static partial int cn_pool2d_forward(in cn_context context, in cn_pool2d pool, int n, float* x, float* y,
        byte* winners);

    [LibraryImport(Library)]
    public static partial int cn_pool2d_backward(in cn_context context, in cn_pool2d pool, int n, float* x,
        byte* winners, float* dy,
        float* dx);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_pools(in cn_conv2d conv, in cn_pool2d pool);

    [LibraryImport(Library)]
    public static partial long cn_conv2d_pool_workspace_floats(in cn_context context, in cn_conv2d conv,
        in cn_pool2d pool, int n);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_pool_forward(in cn_context context, in cn_conv2d conv, in cn_pool2d pool, int n,
        float* x, float* w,
        float* bias, float* y, byte* winners, float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_pools_backward(in cn_conv2d conv, in cn_pool2d pool);

    [LibraryImport(Library)]
    public static partial int cn_conv2d_pool_backward_weights(in cn_context context, in cn_conv2d conv,
        in cn_pool2d pool, int n, float* x,
        byte* winners, float* dy, float* dw, float* db, cn_update* update, float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial long cn_row_statistics_floats(in cn_tensor tensor, int n);

    [LibraryImport(Library)]
    public static partial int cn_row_statistics(in cn_context context, in cn_tensor tensor, int n, float* x,
        float* statistics);

    [LibraryImport(Library)]
    public static partial long cn_batch_norm_workspace_floats(in cn_context context, in cn_batch_norm norm, int n);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_forward(in cn_context context, in cn_batch_norm norm, int n, float* x,
        float* statistics,
        float* scale, float* shift, float* add, float* y, float* mean, float* inverse_std, float* running_mean,
            float* running_variance,
        float* workspace, long workspace_floats);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_infer(in cn_context context, in cn_batch_norm norm, int n, float* x,
        float* scale, float* shift,
        float* running_mean, float* running_variance, float* add, float* y);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_apply(in cn_context context, in cn_batch_norm norm, int n, float* x,
        float* scale, float* shift,
        float* mean, float* inverse_std, float* y);

    [LibraryImport(Library)]
    public static partial int cn_batch_norm_backward(in cn_context context, in cn_batch_norm norm, int n, float* x,
        float* dy, float* scale,
        float* shift, float* mean, float* inverse_std, float* dx, float* dscale, float* dshift, float* workspace,
            long workspace_floats);

    [LibraryImport(Library)]
    public static partial int cn_activation_forward(in cn_context context, in cn_elementwise op, int n, float* a,
        float* @out);

    [LibraryImport(Library)]
    public static partial int cn_activation_backward(in cn_context context, in cn_elementwise op, int n, float* a,
        float* dy, float* dx);

    [LibraryImport(Library)]
    public static partial int cn_add(in cn_context context, in cn_elementwise op, int n, float* a, float* b,
        float* @out);

    [LibraryImport(Library)]
    public static partial int cn_dropout_apply(in cn_context context, in cn_dropout dropout, int n,
        int first_sample, uint step, float* x, float* y);

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
    public static partial int cn_softmax_cross_entropy(in cn_context context, int n, int classes, int pixels,
        float* output, int* labels, float* weights, double* loss, float* doutput);

    [LibraryImport(Library)]
    public static partial int cn_multiclass_svm(in cn_context context, int n, int classes, float margin,
        float* output, int* labels, float* weights, double* loss, float* doutput);

    [LibraryImport(Library)]
    public static partial int cn_mean_squared_error(in cn_context context, int n, int length, float* output,
        float* targets, float* weights, double* loss, float* doutput);

    [LibraryImport(Library)]
    public static partial int cn_fma_rounds(in cn_context context, long rounds, float* counts);

    [LibraryImport(Library)]
    public static partial int cn_triad(in cn_context context, long count, float scale, float* a, float* b, float* @out);
}
