using System.Globalization;
using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Tests.Reports;
using Microsoft.Playwright;
using NUnit.Framework;

namespace ConvNet.Tests.Watching;

/// <summary>The page of a training in Chromium while it is trained, and the same page of its log.</summary>
[Category("Browser")]
public sealed class LiveBrowserTests : BrowserFixture
{
    private TinyData _data = null!;

    private string Log => _data.File("log");

    [SetUp]
    public void WriteData() => _data = new TinyData();

    [TearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public async Task ThePageShowsTheNumbersOfTheLogWhileItIsTrainedAndAfterwards()
    {
        List<string> errors = [], foreign = [];
        using var training = new LiveOutput("train", "--backend", "managed", "--data", _data.Folder, "--model",
            _data.Model, "--batch", "1", "--epochs", "100000", "--log", Log, "--log-norms", "20", "--serve");
        Uri address = await training.Address();
        IPage page = await Open(address, 1280, errors, foreign);
        await Row(page, 2).WaitForAsync();
        await Until(page, "document.querySelectorAll('#curves canvas').length === 6");
        await Until(page, "[...document.querySelectorAll('#pictures img')].length >= 3"
            + " && [...document.images].every(image => image.complete && image.naturalWidth > 0)");
        double before = await StepOf(page);
        await Until(page, $"Number(document.querySelector('[data-stat=step]').firstChild.textContent"
            + $".replaceAll(',', '')) > {before}");
        Assert.That(page.Url, Is.EqualTo(new Uri(address, "/").ToString()), "without the token");
        Assert.That(await training.Interrupt(), Is.EqualTo(ExitCode.Interrupted), training.Text);
        await page.GetByText("has ended").WaitForAsync();
        await CompareWithLog(page);
        string[] live = await TextsOf(page);
        await page.CloseAsync();

        using var view = new LiveOutput("view", Log);
        IPage viewed = await Open(await view.Address(), 1280, errors, foreign);
        await Until(viewed, "document.querySelectorAll('#norms canvas').length === 2");
        Assert.That(await TextsOf(viewed), Is.EqualTo(live));
        await CompareWithLog(viewed);
        await Pictures(viewed);
        var faults = new List<string>();
        foreach (int width in (int[])[1280, 390])
        {
            await viewed.SetViewportSizeAsync(width, 900);
            foreach (ColorScheme scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
            {
                await viewed.EmulateMediaAsync(new() { ColorScheme = scheme });
                faults.AddRange(await Look(viewed, $"live-{width}-{scheme}".ToLowerInvariant()));
            }
        }
        await viewed.CloseAsync();
        Assert.That(await view.Interrupt(), Is.EqualTo(ExitCode.Ok), view.Text);
        Assert.Multiple(() =>
        {
            Assert.That(faults, Is.Empty);
            Assert.That(errors, Is.Empty);
            Assert.That(foreign, Is.Empty, "nothing is loaded from elsewhere");
        });
    }

    [Test]
    public async Task RunsAreSideBySideAndNamesInALogAreOnlyTexts()
    {
        const string name = "<img src=x onerror=alert(1)></td><script>alert(2)</script>";
        List<string> errors = [], foreign = [], folders = [];
        for (int run = 0; run < 2; run++)
        {
            folders.Add(_data.File($"<b>run{run}"));
            Directory.CreateDirectory(folders[run]);
            object[] records =
            [
                new { kind = "start", epoch = 1, batch = 0, epochs = 2, model = name, data = name, tested = name,
                    classes = new[] { name, "b" } },
                new { kind = "step", epoch = 1, step = 1, steps = 2, loss = 0.25 + run, learningRate = 0.1 },
                new { kind = "norms", step = 1, parameters = new Dictionary<string, object>
                {
                    [name] = new { weight = 3.5, gradient = 0.5 }, ["__proto__"] = new { weight = 1 },
                } },
                new { kind = "epoch", epoch = 1, loss = 0.25 + run, testAccuracy = 0.5,
                    test = new[] { new { confusion = (long[][])[[3, 1], [2, 4]] } } },
                new { kind = "end", stopped = name },
            ];
            File.WriteAllLines(Path.Combine(folders[run], TrainingLog.RecordsName),
                records.Select(record => JsonSerializer.Serialize(record)));
        }
        using var view = new LiveOutput(["view", .. folders]);
        IPage page = await Open(await view.Address(), 1280, errors, foreign);
        await Until(page, "document.querySelectorAll('#norms .run').length === 2"
            + " && document.querySelectorAll('#norms canvas').length === 4");
        string text = await page.Locator("main").InnerTextAsync();
        string[] faults = [.. await Look(page, "view-two-1280"), .. await Narrow(page)];
        Assert.Multiple(() =>
        {
            Assert.That(text.Split(name), Has.Length.GreaterThan(10), "the names are shown as they are");
            Assert.That(text, Does.Contain("<b>run0").And.Contain("<b>run1"));
        });
        Assert.That(await page.Locator("main script, main b, main img").CountAsync(), Is.Zero);
        Assert.That(await page.Locator("[data-stat=loss]").AllInnerTextsAsync(),
            Is.EqualTo((string[])["0.2500\nof the last batch", "1.2500\nof the last batch"]));
        await page.CloseAsync();
        Assert.That(faults, Is.Empty);
        Assert.That(errors.Concat(foreign), Is.Empty);
    }

    private static async Task<string[]> Narrow(IPage page)
    {
        await page.SetViewportSizeAsync(390, 900);
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        return await Look(page, "view-two-390-dark");
    }

    // The slider shows the pictures of another epoch.
    private static async Task Pictures(IPage page)
    {
        ILocator filters = page.Locator("#pictures img").First;
        string last = (await filters.GetAttributeAsync("src"))!;
        await page.EvaluateAsync("""
            () => {
              const slider = document.querySelector('#pictures input[type=range]');
              slider.value = 0;
              slider.dispatchEvent(new Event('input'));
            }
            """);
        await page.Locator("#pictures [data-epoch='0']").WaitForAsync();
        Assert.That(await filters.GetAttributeAsync("src"), Is.Not.EqualTo(last));
    }

    private async Task CompareWithLog(IPage page)
    {
        JsonElement[] log = [.. File.ReadAllLines(Path.Combine(Log, TrainingLog.RecordsName)).Select(line =>
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.Clone();
        })];
        JsonElement step = Of("step")[^1], epoch = Of("epoch")[^1];
        Assert.That(await StepOf(page), Is.EqualTo(step.GetProperty("step").GetInt64()));
        Assert.That(await Stat(page, "loss"), Is.EqualTo(Loss(step.GetProperty("loss").GetDouble())));
        Assert.That(await Stat(page, "training accuracy"), Is.EqualTo(Percent(step.GetProperty("accuracy"))));
        Assert.That(await Stat(page, "test accuracy"), Is.EqualTo(Percent(epoch.GetProperty("testAccuracy"))));
        Assert.That(await page.Locator("#epochs tbody tr").CountAsync(), Is.EqualTo(Of("epoch").Length));
        foreach (JsonElement each in (JsonElement[])[Of("epoch")[0], epoch])
            Assert.That((await Row(page, each.GetProperty("epoch").GetInt32()).Locator("td").AllTextContentsAsync())
                .Take(4), Is.EqualTo((string[])[$"{each.GetProperty("epoch")}",
                    Loss(each.GetProperty("loss").GetDouble()), Percent(each.GetProperty("trainAccuracy")),
                    Percent(each.GetProperty("testAccuracy"))]));
        long[] confusion = [.. epoch.GetProperty("test")[0].GetProperty("confusion").EnumerateArray()
            .SelectMany(row => row.EnumerateArray()).Select(count => count.GetInt64())];
        Assert.That((await page.Locator(".confusion tbody td").AllTextContentsAsync())
            .Select(count => count == "·" ? 0 : long.Parse(count, CultureInfo.InvariantCulture)),
            Is.EqualTo(confusion));
        JsonElement norms = Of("norms")[^1].GetProperty("parameters");
        Assert.That(await page.Locator("#norms tbody tr label").AllTextContentsAsync(),
            Is.EqualTo(norms.EnumerateObject().Select(each => each.Name)));

        JsonElement[] Of(string kind) => [.. log.Where(each => each.GetProperty("kind").GetString() == kind)];
    }

    private static string Loss(double value) => value is 0 or >= 0.001 and < 100_000
        ? value.ToString("F4", CultureInfo.InvariantCulture)
        : value.ToString("0.000e+0", CultureInfo.InvariantCulture);

    private static string Percent(JsonElement value)
        => (100 * value.GetDouble()).ToString("F2", CultureInfo.InvariantCulture) + "%";

    // All that is shown but the status and the time left, with the tables of all charts.
    private static Task<string[]> TextsOf(IPage page) => page.EvaluateAsync<string[]>("""
        async () => {
          const toggle = async open => {
            document.querySelectorAll('details').forEach(details => { details.open = open; });
            await new Promise(done => setTimeout(done, 100));
          };
          await toggle(true);
          const texts = [...document.querySelectorAll('main dd, main td, main th, main figcaption, main img')]
              .filter(element => element.dataset.stat !== 'time').map(element => element.src ?? element.textContent);
          await toggle(false);
          document.querySelectorAll('details .scroll').forEach(table => table.replaceChildren());
          return texts;
        }
        """);

    // Playwright's own waiting for a function needs scripts that the page's policy forbids.
    private static async Task Until(IPage page, string condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await page.EvaluateAsync<bool>(condition))
            await Task.Delay(20, patience.Token);
    }

    private static ILocator Row(IPage page, int epoch)
        => page.Locator($"#epochs tbody tr:has(td:first-child:text-is('{epoch}'))");

    private static async Task<string> Stat(IPage page, string name)
        => await page.Locator($"[data-stat='{name}']").EvaluateAsync<string>("place => place.firstChild.textContent");

    private static async Task<double> StepOf(IPage page)
        => double.Parse(await Stat(page, "step"), NumberStyles.AllowThousands, CultureInfo.InvariantCulture);

    private async Task<IPage> Open(Uri address, int width, List<string> errors, List<string> foreign)
    {
        IPage page = await Browser.NewPageAsync(new() { ViewportSize = new() { Width = width, Height = 900 } });
        page.Console += (_, message) => errors.Add(message.Text);
        page.PageError += (_, error) => errors.Add(error);
        page.Dialog += (_, dialog) => errors.Add(dialog.Message);
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith($"http://{address.Authority}/", StringComparison.Ordinal)
                && !request.Url.StartsWith("data:", StringComparison.Ordinal))
                foreign.Add(request.Url);
        };
        await page.GotoAsync(address.ToString());
        return page;
    }
}
