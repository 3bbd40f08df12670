using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Serve;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Watching;

/// <summary>Who is served the page of a training, and that nobody holds up the training.</summary>
public sealed class PageServerTests
{
    private const string Start = """{"kind":"start","epoch":1,"batch":0,"epochs":3}""";

    private LivePage _page = null!;
    private HttpClient _client = null!;

    private Uri Root => new(_page.Address, "/");

    private string Token => _page.Address.Query;

    [SetUp]
    public void Open()
    {
        _page = LivePage.Start(IPAddress.Loopback, 0);
        _client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });
    }

    [TearDown]
    public void Close()
    {
        _client.Dispose();
        _page.Dispose();
    }

    [Test]
    public async Task ThePageIsForThoseWithTheToken()
    {
        foreach (string path in (string[])["/", "/live.js", "/events", "/pictures?run=0&epoch=0"])
        {
            foreach (string query in (string[])["", "token=", "token=0", $"{Token[1..]}0", $"{Token[1..^1]}",
                Token[1..].ToUpperInvariant()])
            {
                using HttpResponseMessage refused = await Get($"{path}{(path.Contains('?') ? '&' : '?')}{query}");
                Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden), $"{path} {query}");
            }
        }
        Assert.That(Token, Does.Match("^\\?token=[0-9a-f]{64}$"));
        using HttpResponseMessage redirected = await Get($"/{Token}");
        Assert.That(redirected.StatusCode, Is.EqualTo(HttpStatusCode.Redirect));
        Assert.That(redirected.Headers.Location!.ToString(), Is.EqualTo("/"), "the token leaves the address");
        string cookie = redirected.Headers.GetValues("Set-Cookie").Single();
        Assert.That(cookie, Does.Contain("httponly").And.Contain("samesite=strict"));
        using HttpResponseMessage opened = await Get("/", cookie: cookie.Split(';')[0]);
        Assert.That(await opened.Content.ReadAsStringAsync(), Does.Contain("<!doctype html>"));
        Assert.That(opened.Headers.GetValues("Content-Security-Policy").Single(),
            Does.StartWith("default-src 'none'").And.Not.Contain("unsafe").And.Contain("frame-ancestors 'none'"));
        Assert.That(opened.Headers.CacheControl!.NoStore && opened.Headers.GetValues("X-Content-Type-Options").Single()
            == "nosniff");
    }

    [TestCase("evil.example", HttpStatusCode.Forbidden)]
    [TestCase("localhost.evil.example", HttpStatusCode.Forbidden)]
    [TestCase("192.168.1.7", HttpStatusCode.Forbidden)]
    [TestCase("localhost", HttpStatusCode.OK)]
    [TestCase("127.0.0.1", HttpStatusCode.OK)]
    [TestCase("[::1]", HttpStatusCode.OK)]
    public async Task ANameOfAnotherServerIsRefused(string host, HttpStatusCode status)
    {
        using HttpResponseMessage answer = await Get($"/live.css{Token}", host: $"{host}:{Root.Port}");
        Assert.That(answer.StatusCode, Is.EqualTo(status));
    }

    [Test]
    public async Task ThereIsOnlyWhatThePageNeeds()
    {
        foreach (string path in (string[])["/etc/passwd", "/../live.js", "/live.html", "/pictures?run=0&epoch=0",
            "/pictures?run=1&epoch=0", "/pictures?run=-1&epoch=0", "/pictures?epoch=0"])
        {
            using HttpResponseMessage answer = await Get($"{path}{(path.Contains('?') ? '&' : '?')}{Token[1..]}");
            Assert.That(answer.StatusCode, Is.EqualTo(path == "/../live.js" ? HttpStatusCode.OK
                : HttpStatusCode.NotFound), path);
        }
        using HttpResponseMessage posted = await _client.PostAsync(new Uri(Root, $"/{Token}"), null);
        Assert.That(posted.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed));
        string script = await _client.GetStringAsync(new Uri(Root, $"/live.js{Token}"));
        Assert.That(script, Does.Contain("EventSource").And.Not.Contain("innerHTML").And.Not.Contain("http"));
    }

    [Test]
    public void APortThatIsTakenIsOneError()
    {
        Assert.That(() => LivePage.Start(IPAddress.Loopback, Root.Port), Throws.TypeOf<IOException>()
            .With.Message.Contains($"port {Root.Port} of 127.0.0.1 is taken by another program"));
        Assert.That(() => LivePage.Start(IPAddress.Parse("192.0.2.1"), 0), Throws.TypeOf<IOException>()
            .With.Message.Contains("192.0.2.1 is no address of this machine"));
    }

    [Test]
    public async Task ABrowserThatReadsNothingHoldsUpNobody()
    {
        // Much more than sockets hold, in records that each change what is sent.
        const int records = 2_000;
        using var stuck = new TcpClient();
        await stuck.ConnectAsync(IPAddress.Loopback, Root.Port);
        await stuck.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"GET /events{Token} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        using HttpResponseMessage stream = await _client.GetAsync(new Uri(Root, $"/events{Token}"),
            HttpCompletionOption.ResponseHeadersRead);
        Assert.That(stream.Content.Headers.ContentType!.MediaType, Is.EqualTo("text/event-stream"));
        Task<string> text = stream.Content.ReadAsStringAsync();
        string name = new('n', 20_000);
        _page.Publish(Start);
        for (int step = 1; step <= records; step++)
        {
            _page.Publish($$"""{"kind":"step","epoch":1,"step":{{step}},"loss":1}""");
            _page.Publish("""{"kind":"norms","step":1,"parameters":{"NAME":{"weight":1}}}""".Replace("NAME",
                $"{name}{step % 50}", StringComparison.Ordinal));
        }
        _page.Dispose();
        string[] events = (await text).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.That(events[^1], Does.StartWith("event: end"));
        Assert.That(events.Last(each => each.StartsWith("event: summary", StringComparison.Ordinal)),
            Does.Contain($"\"step\":{records}").And.Contain("\"status\":\"interrupted\""));
        Assert.That(events, Has.Length.LessThan(records), "states between two events are left out");
    }

    [Test]
    public async Task APageThatIsOpenedLateIsSentEverything()
    {
        _page.Publish(Start);
        _page.Publish("""{"kind":"step","epoch":1,"step":1,"steps":9,"loss":0.5}""");
        _page.Publish("""{"kind":"end","stopped":null}""");
        using HttpResponseMessage stream = await _client.GetAsync(new Uri(Root, $"/events{Token}"),
            HttpCompletionOption.ResponseHeadersRead);
        Task<string> text = stream.Content.ReadAsStringAsync();
        _page.Dispose();
        string last = (await text).Split("\n\n").Last(each => each.StartsWith("event: summary",
            StringComparison.Ordinal));
        Assert.That(last, Does.Contain("\"status\":\"finished\"").And.Contain("\"loss\":0.5"));
    }

    [Test]
    public async Task ThePageSaysWhyATrainingHasFailed()
    {
        _page.Publish(Start);
        using HttpResponseMessage stream = await _client.GetAsync(new Uri(Root, $"/events{Token}"),
            HttpCompletionOption.ResponseHeadersRead);
        Task<string> text = stream.Content.ReadAsStringAsync();
        using var backend = new ManagedBackend(threads: 1);
        using IExecutable network = backend.Compile(Sequential.Of(TinyData.Shape, new Flatten(),
            new Linear(TinyData.Classes)), new TrainingSpec(8, new SoftmaxCrossEntropy(), new Sgd()));
        network.Initialize(new HeNormal(1));
        using var log = new TrainingLog(new TrainingLogOptions { OnRecord = _page.Publish });
        var trainer = new Trainer(network, new TrainerOptions { LearningRate = 1e38f, Callbacks = [log] });
        var error = Assert.Throws<NonFiniteLossException>(()
            => trainer.Train(new DataLoader(TinyData.Normalized(TinyData.TrainCount, 1), 8)));
        _page.Dispose();
        Assert.That((await text).Split("\n\n").Last(each => each.StartsWith("event: summary",
            StringComparison.Ordinal)), Does.Contain(JsonSerializer.Serialize(error.Message))
            .And.Contain("\"problem\":\"").And.Contain("\"status\":\"failed\""));
    }

    private async Task<HttpResponseMessage> Get(string path, string? host = null, string? cookie = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Root, path));
        request.Headers.Host = host;
        if (cookie is not null)
            request.Headers.Add("Cookie", cookie);
        return await _client.SendAsync(request);
    }
}
