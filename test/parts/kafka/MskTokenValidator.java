import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/** Takes a token as MSK's brokers do, without asking AWS about the signature: a presigned request for kafka-cluster:Connect. */
public class MskTokenValidator implements AuthenticateCallbackHandler {
    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}

    @Override
    public void handle(Callback[] callbacks) {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerValidatorCallback validator) validate(validator);
            else if (callback instanceof OAuthBearerExtensionsValidatorCallback extensions)
                extensions.inputExtensions().map().keySet().forEach(extensions::valid);
        }
    }

    private static void validate(OAuthBearerValidatorCallback callback) {
        try {
            URI url = URI.create(new String(Base64.getUrlDecoder().decode(callback.tokenValue()), StandardCharsets.UTF_8));
            Map<String, String> query = Arrays.stream(url.getRawQuery().split("&")).map(pair -> pair.split("=", 2)).collect(
                Collectors.toMap(pair -> pair[0], pair -> URLDecoder.decode(pair[1], StandardCharsets.UTF_8)));
            String[] scope = query.get("X-Amz-Credential").split("/");
            boolean isRight = url.getHost().equals("kafka." + scope[2] + ".amazonaws.com") && scope[3].equals("kafka-cluster")
                && "kafka-cluster:Connect".equals(query.get("Action")) && query.get("X-Amz-Signature").length() == 64;
            if (isRight) callback.token(new Token(callback.tokenValue(), scope[0], Long.parseLong(query.get("X-Amz-Expires"))));
            else callback.error("invalid_token", null, null);
        } catch (RuntimeException e) {
            callback.error("invalid_token", null, null);
        }
    }

    private record Token(String value, String principalName, long lifeS) implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }

        @Override
        public long lifetimeMs() {
            return System.currentTimeMillis() + lifeS * 1000;
        }

        @Override
        public Long startTimeMs() {
            return System.currentTimeMillis();
        }
    }

    @Override
    public void close() {}
}
