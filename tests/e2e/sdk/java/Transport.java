import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/**
 * The HTTP library of FeatureHub's Java SDK, with its defaults and asked as that SDK asks: streams, polls and updates.
 *
 * <p>java -cp … Transport.java stream|poll|update ADDRESS KEY [CONTEXT | FEATURE BODY]; each line tells what happened.
 */
public final class Transport {
  private static final OkHttpClient CLIENT = new OkHttpClient.Builder().build();

  public static void main(String[] arguments) throws Exception {
    String address = arguments[1];
    String key = arguments[2];
    switch (arguments[0]) {
      case "stream" -> stream(address, key, context(arguments));
      case "poll" -> poll(address, key, context(arguments));
      case "update" -> update(address, key, arguments[3], arguments[4]);
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  private static String context(String[] arguments) {
    return arguments.length > 3 ? arguments[3] : null;
  }

  private static Request.Builder asking(String url, String context) {
    Request.Builder request = new Request.Builder().url(url).addHeader("X-SDK", "Java-OKHTTP-SSE,4.1,1.1.3");
    return context == null ? request : request.addHeader("x-featurehub", context);
  }

  private static void stream(String address, String key, String context) throws InterruptedException {
    EventSourceListener listener =
        new EventSourceListener() {
          @Override
          public void onEvent(EventSource source, String id, String type, String data) {
            System.out.println("event " + type + " " + data);
          }

          @Override
          public void onClosed(EventSource source) {
            System.out.println("closed");
          }

          @Override
          public void onFailure(EventSource source, Throwable failure, Response response) {
            System.out.println("failed " + failure + " " + response);
          }
        };
    Request request = asking(address + "/features/" + key, context).build();
    EventSources.createFactory(CLIENT).newEventSource(request, listener);
    Thread.currentThread().join();
  }

  private static void poll(String address, String key, String context) throws Exception {
    String sha = context == null ? "0" : sha256(context);
    String url = address + "/features?apiKey=" + key + "&contextSha=" + sha;
    String etag;
    try (Response first = CLIENT.newCall(asking(url, context).build()).execute()) {
      etag = first.header("etag");
      System.out.println("polled " + first.code() + " " + first.body().string());
    }
    Request again = asking(url, context).addHeader("if-none-match", etag).build();
    try (Response second = CLIENT.newCall(again).execute()) {
      System.out.println("polled " + second.code());
    }
    System.exit(0);
  }

  private static void update(String address, String key, String feature, String body) throws IOException {
    RequestBody sent = RequestBody.create(body, MediaType.get("application/json"));
    Request request = asking(address + "/features/" + key + "/" + feature, null).put(sent).build();
    try (Response answer = CLIENT.newCall(request).execute()) {
      System.out.println("updated " + answer.code());
    }
    System.exit(0);
  }

  private static String sha256(String text) throws Exception {
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(digest);
  }

  private Transport() {}
}
