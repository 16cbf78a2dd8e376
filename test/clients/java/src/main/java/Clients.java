import com.amazonaws.secretsmanager.caching.SecretCache;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;
import software.amazon.awssdk.services.secretsmanager.model.ResourceNotFoundException;

/** The AWS SDK for Java and, with the argument {@code caching}, AWS's caching client. */
public final class Clients {
  public static void main(String[] arguments) throws Exception {
    String name = System.getenv("SECRET");
    try (SecretsManagerClient client = SecretsManagerClient.create()) {
      if (arguments.length == 1) cached(client, name);
      else plain(client, name);
    }
  }

  private static void plain(SecretsManagerClient client, String name) {
    System.out.println(read(client, name, "AWSCURRENT"));
    client.putSecretValue(request -> request.secretId(name).secretString("second"));
    System.out.println(read(client, name, "AWSCURRENT"));
    System.out.println(read(client, name, "AWSPREVIOUS"));
    try {
      client.describeSecret(request -> request.secretId("missing"));
      System.out.println(false);
    } catch (ResourceNotFoundException missing) {
      System.out.println(true);
    }
  }

  private static void cached(SecretsManagerClient client, String name) throws InterruptedException {
    SecretCache cache = new SecretCache(client);
    System.out.println(cache.getSecretString(name));
    System.out.println(cache.getSecretString(name));
    client.putSecretValue(request -> request.secretId(name).secretString("second"));
    cache.refreshNow(name);
    System.out.println(cache.getSecretString(name));
  }

  private static String read(SecretsManagerClient client, String name, String stage) {
    return client.getSecretValue(request -> request.secretId(name).versionStage(stage)).secretString();
  }
}
