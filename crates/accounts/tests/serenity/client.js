// A client in JavaScript: registers and logs in with @serenity-kit/opaque. Each line on standard output is a message to the
// server, each line on standard input its answer; binary fields are base64url without padding.

import { createInterface } from "node:readline";
import { client, ready } from "@serenity-kit/opaque";

const keyStretching = "memory-constrained";
const secrets = { password: "correct horse battery staple", words: "lamp river quiet" };
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(message) {
  console.log(JSON.stringify(message));
  const { value, done } = await answers.next();
  if (done) throw new Error("the server is gone");
  return JSON.parse(value);
}

async function register() {
  const password = client.startRegistration({ password: secrets.password });
  const words = client.startRegistration({ password: secrets.words });
  const started = await ask({
    password_request: password.registrationRequest,
    words_request: words.registrationRequest,
  });
  const record = (state, secret, registrationResponse) =>
    client.finishRegistration({
      clientRegistrationState: state.clientRegistrationState,
      registrationResponse,
      password: secret,
      keyStretching,
    }).registrationRecord;
  await ask({
    password_record: record(password, secrets.password, started.password_response),
    words_record: record(words, secrets.words, started.words_response),
  });
}

async function prove(secret) {
  const { clientLoginState, startLoginRequest } = client.startLogin({ password: secret });
  const { credential_response } = await ask({ credential_request: startLoginRequest });
  const finished = client.finishLogin({
    clientLoginState,
    loginResponse: credential_response,
    password: secret,
    keyStretching,
  });
  if (!finished) throw new Error("the server's answer does not fit the secret");
  await ask({ credential_finalization: finished.finishLoginRequest });
}

await ready;
await register();
await prove(secrets.password);
await prove(secrets.words);
process.exit(0);
