import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.featurehub.client.ApplyFeature;
import io.featurehub.client.ClientContext;
import io.featurehub.client.ClientFeatureRepository;
import io.featurehub.client.EdgeFeatureHubConfig;
import io.featurehub.client.FeatureState;
import io.featurehub.client.FeatureStateBase;
import io.featurehub.client.jersey.TestSDKClient;
import io.featurehub.sse.model.FeatureStateUpdate;
import io.featurehub.sse.model.FeatureValueType;
import io.featurehub.strategies.matchers.MatcherRegistry;
import io.featurehub.strategies.percentage.PercentageMumurCalculator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.Executors;
import javax.ws.rs.WebApplicationException;

/**
 * The published FeatureHub SDK for Java over Jersey, unchanged, driven over JSON lines on stdin and stdout.
 *
 * <p>The questions are those of node/agent.cjs. What the SDK logs as a warning or worse goes to stderr. It ends with its
 * parent (stdin closes) and at the latest when its time is up.
 */
@SuppressWarnings("deprecation")
public final class Agent {
  private static final int OUT_OF_TIME = 90;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  private final List<String> readiness = Collections.synchronizedList(new ArrayList<>());
  private EdgeFeatureHubConfig config;
  private ClientContext context;

  public static void main(String[] arguments) throws Exception {
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error");
    endAfter(Math.round(Double.parseDouble(arguments[0]) * 1000));
    Agent agent = new Agent();
    BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = questions.readLine(); line != null; line = questions.readLine()) {
      JsonNode question = JSON.readTree(line);
      ObjectNode answer = JSON.createObjectNode().put("id", question.get("id").asInt());
      try {
        answer.set("result", agent.ask(question));
      } catch (Exception failure) {
        answer.put("error", failure.toString());
      }
      OUT.println(JSON.writeValueAsString(answer));
    }
    System.exit(0);
  }

  private static void endAfter(long milliseconds) {
    TimerTask end =
        new TimerTask() {
          @Override
          public void run() {
            System.exit(OUT_OF_TIME);
          }
        };
    new Timer(true).schedule(end, milliseconds);
  }

  private JsonNode ask(JsonNode question) throws Exception {
    return switch (question.get("op").asText()) {
      case "start" -> start(question);
      case "mend" -> mend(question);
      case "snapshot" -> snapshot();
      case "evaluate" -> evaluate(question);
      case "context" -> replaceContext(question.get("attributes"));
      case "update" -> update(question);
      default -> throw new IllegalArgumentException(question.toString());
    };
  }

  private JsonNode start(JsonNode question) throws Exception {
    config = new EdgeFeatureHubConfig(question.get("url").asText(), question.get("keys").get(0).asText());
    return connect(question.path("attributes"));
  }

  /** Begin anew with the seed that all others hash with, as docs/sdks/java.md says. */
  private JsonNode mend(JsonNode question) throws Exception {
    config.close();
    config = new EdgeFeatureHubConfig(question.get("url").asText(), question.get("keys").get(0).asText());
    ApplyFeature rules = new ApplyFeature(new PercentageMumurCalculator(0), new MatcherRegistry());
    config.setRepository(new ClientFeatureRepository(Executors.newFixedThreadPool(1), rules));
    return connect(question.path("attributes"));
  }

  private JsonNode connect(JsonNode attributes) throws Exception {
    config.addReadynessListener(state -> readiness.add(state.name()));
    if (config.isServerEvaluation() && attributes.isObject()) {
      return replaceContext(attributes);
    }
    // It waits for the first features, however long that takes.
    Thread connecting = new Thread(config::init, "connecting");
    connecting.setDaemon(true);
    connecting.start();
    return null;
  }

  private JsonNode snapshot() throws Exception {
    ObjectNode told = JSON.createObjectNode().put("readiness", config.getReadyness().name());
    told.set("history", JSON.valueToTree(List.copyOf(readiness)));
    ObjectNode features = told.putObject("features");
    for (FeatureState feature : config.getRepository().getAllFeatures()) {
      features.set(feature.getKey(), describe(held(feature)));
    }
    return told;
  }

  /** What arrived: the SDK shows a program its value and its lock alone. */
  private static io.featurehub.sse.model.FeatureState held(FeatureState feature) throws Exception {
    Field state = FeatureStateBase.class.getDeclaredField("_featureState");
    state.setAccessible(true);
    return (io.featurehub.sse.model.FeatureState) state.get(feature);
  }

  private static ObjectNode describe(io.featurehub.sse.model.FeatureState state) {
    ObjectNode told = JSON.createObjectNode();
    // It takes the value of what was deleted away, and keeps the rest.
    if (state == null || state.getValue() == null) {
      return told.put("exists", false);
    }
    told.put("exists", true).put("id", String.valueOf(state.getId())).put("type", state.getType().toString());
    told.set("value", JSON.valueToTree(state.getValue()));
    return told.put("locked", Boolean.TRUE.equals(state.getL())).put("version", state.getVersion());
  }

  /** Values as a program would read them, with a context of this question alone (client evaluation). */
  private JsonNode evaluate(JsonNode question) throws Exception {
    ClientContext asker = context;
    if (!config.isServerEvaluation() || asker == null) {
      asker = config.newContext();
      fill(asker, question.get("attributes"));
    }
    ObjectNode values = JSON.createObjectNode();
    for (JsonNode key : question.get("keys")) {
      FeatureState feature = asker.feature(key.asText());
      values.set(key.asText(), JSON.valueToTree(read(feature, held(config.getRepository().getFeatureState(key.asText())))));
    }
    return values;
  }

  private static Object read(FeatureState feature, io.featurehub.sse.model.FeatureState held) {
    FeatureValueType type = held == null ? FeatureValueType.STRING : held.getType();
    return switch (type) {
      case BOOLEAN -> feature.getBoolean();
      case NUMBER -> feature.getNumber();
      case JSON -> feature.getRawJson();
      default -> feature.getString();
    };
  }

  /** Replace the long-lived context (server evaluation: this asks the server again). */
  private JsonNode replaceContext(JsonNode attributes) throws Exception {
    if (context == null) {
      context = config.newContext();
    }
    fill(context, attributes);
    context.build();
    return null;
  }

  private static void fill(ClientContext target, JsonNode attributes) {
    target.clear();
    attributes
        .fields()
        .forEachRemaining(
            each -> {
              List<String> values = new ArrayList<>();
              each.getValue().forEach(value -> values.add(value.asText()));
              target.attrs(each.getKey(), values);
            });
  }

  /** True for any 2xx, as the SDKs for JavaScript tell it. */
  private JsonNode update(JsonNode question) throws Exception {
    FeatureStateUpdate update = JSON.treeToValue(question.get("update"), FeatureStateUpdate.class);
    try {
      new TestSDKClient(config).setFeatureState(config.apiKey(), question.get("key").asText(), update);
      return JSON.valueToTree(true);
    } catch (WebApplicationException refused) {
      return JSON.valueToTree(false);
    }
  }
}
