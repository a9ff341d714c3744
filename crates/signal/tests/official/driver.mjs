// Signal's library behind JSON lines: the commands of `examples/peer.rs`, and a few that only tests need.
//
// One request a line on standard input, one answer a line on standard output, in order. Bytes are hexadecimal. Nothing is kept on disk;
// sessions are kept serialised, so every operation restores and stores.

import readline from 'node:readline';
import * as signal from '@signalapp/libsignal-client';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'));
const text = (name) => Uint8Array.from(Buffer.from(name));
const name = (address) => `${address.name()}.${address.deviceId()}`;

class Sessions extends signal.SessionStore {
  records = new Map();
  async saveSession(address, record) {
    this.records.set(name(address), record.serialize());
  }
  async getSession(address) {
    const record = this.records.get(name(address));
    return record ? signal.SessionRecord.deserialize(record) : null;
  }
  async getExistingSessions(addresses) {
    return Promise.all(addresses.map((address) => this.getSession(address)));
  }
}

class Identities extends signal.IdentityKeyStore {
  known = new Map();
  trusting = true;
  constructor(key, registrationId) {
    super();
    this.key = key;
    this.registrationId = registrationId;
  }
  async getIdentityKey() {
    return this.key;
  }
  async getLocalRegistrationId() {
    return this.registrationId;
  }
  async saveIdentity(address, key) {
    const before = this.known.get(name(address));
    this.known.set(name(address), key);
    return before && !before.equals(key) ? 1 : 0;
  }
  async isTrustedIdentity() {
    return this.trusting;
  }
  async getIdentity(address) {
    return this.known.get(name(address)) ?? null;
  }
}

class OneTimeKeys extends signal.PreKeyStore {
  records = new Map();
  async savePreKey(id, record) {
    this.records.set(id, record.serialize());
  }
  async getPreKey(id) {
    if (!this.records.has(id)) throw new Error(`no one-time prekey ${id}`);
    return signal.PreKeyRecord.deserialize(this.records.get(id));
  }
  async removePreKey(id) {
    this.records.delete(id);
  }
}

class SignedKeys extends signal.SignedPreKeyStore {
  records = new Map();
  async saveSignedPreKey(id, record) {
    this.records.set(id, record.serialize());
  }
  async getSignedPreKey(id) {
    if (!this.records.has(id)) throw new Error(`no signed prekey ${id}`);
    return signal.SignedPreKeyRecord.deserialize(this.records.get(id));
  }
}

class KyberKeys extends signal.KyberPreKeyStore {
  records = new Map();
  refusing = false;
  async saveKyberPreKey(id, record) {
    this.records.set(id, record.serialize());
  }
  async getKyberPreKey(id) {
    if (!this.records.has(id)) throw new Error(`no Kyber prekey ${id}`);
    return signal.KyberPreKeyRecord.deserialize(this.records.get(id));
  }
  async markKyberPreKeyUsed() {
    if (this.refusing) throw new Error('the use of the Kyber prekey is refused');
  }
}

const users = new Map();

function user(request) {
  const found = users.get(request.user);
  if (!found) throw new Error(`no user ${request.user}`);
  return found;
}

const peer = (request) => signal.ProtocolAddress.new(request.name, request.device);
const now = (request) => (request.now ? new Date(request.now) : new Date());

const commands = {
  async new(request) {
    const key = request.identity ? signal.PrivateKey.deserialize(bytes(request.identity)) : signal.PrivateKey.generate();
    users.set(request.user, {
      address: signal.ProtocolAddress.new(request.name, request.device),
      key,
      sessions: new Sessions(),
      identities: new Identities(key, 4712),
      oneTime: new OneTimeKeys(),
      signed: new SignedKeys(),
      kyber: new KyberKeys(),
      nextId: 1,
    });
    return { identityKey: hex(key.getPublicKey().serialize()) };
  },
  async publish(request) {
    const { address, key, identities, oneTime, signed, kyber, ...rest } = user(request);
    const id = rest.nextId;
    user(request).nextId += 1;
    const signedKey = signal.PrivateKey.generate();
    const signedPublic = signedKey.getPublicKey();
    const signedSignature = key.sign(signedPublic.serialize());
    await signed.saveSignedPreKey(id, signal.SignedPreKeyRecord.new(id, Date.now(), signedPublic, signedKey, signedSignature));
    const pair = signal.KEMKeyPair.generate();
    const kyberSignature = key.sign(pair.getPublicKey().serialize());
    await kyber.saveKyberPreKey(id, signal.KyberPreKeyRecord.new(id, Date.now(), pair, kyberSignature));
    const bundle = {
      registrationId: identities.registrationId,
      deviceId: address.deviceId(),
      identityKey: hex(key.getPublicKey().serialize()),
      signedPreKeyId: id,
      signedPreKey: hex(signedPublic.serialize()),
      signedPreKeySig: hex(signedSignature),
      kyberPreKeyId: id,
      kyberPreKey: hex(pair.getPublicKey().serialize()),
      kyberPreKeySig: hex(kyberSignature),
    };
    if (request.oneTime) {
      const oneTimeKey = signal.PrivateKey.generate();
      await oneTime.savePreKey(id, signal.PreKeyRecord.new(id, oneTimeKey.getPublicKey(), oneTimeKey));
      bundle.preKeyId = id;
      bundle.preKey = hex(oneTimeKey.getPublicKey().serialize());
    }
    return bundle;
  },
  async process(request) {
    const { address, sessions, identities } = user(request);
    const bundle = request.bundle;
    const parsed = signal.PreKeyBundle.new(
      bundle.registrationId,
      bundle.deviceId,
      bundle.preKeyId ?? null,
      bundle.preKey ? signal.PublicKey.deserialize(bytes(bundle.preKey)) : null,
      bundle.signedPreKeyId,
      signal.PublicKey.deserialize(bytes(bundle.signedPreKey)),
      bytes(bundle.signedPreKeySig),
      signal.PublicKey.deserialize(bytes(bundle.identityKey)),
      bundle.kyberPreKeyId,
      signal.KEMPublicKey.deserialize(bytes(bundle.kyberPreKey)),
      bytes(bundle.kyberPreKeySig),
    );
    await signal.processPreKeyBundle(parsed, peer(request), address, sessions, identities, now(request));
    return {};
  },
  async encrypt(request) {
    const { address, sessions, identities } = user(request);
    const message = await signal.signalEncrypt(bytes(request.plaintext), peer(request), address, sessions, identities, now(request));
    return { type: message.type(), bytes: hex(message.serialize()) };
  },
  async decrypt(request) {
    const { address, sessions, identities, oneTime, signed, kyber } = user(request);
    const from = peer(request);
    const message = bytes(request.bytes);
    const plaintext =
      request.type === 3
        ? await signal.signalDecryptPreKey(
            signal.PreKeySignalMessage.deserialize(message),
            from,
            address,
            sessions,
            identities,
            oneTime,
            signed,
            kyber,
          )
        : await signal.signalDecrypt(signal.SignalMessage.deserialize(message), from, address, sessions, identities);
    return { plaintext: hex(plaintext) };
  },
  async sign(request) {
    return { signature: hex(user(request).key.sign(bytes(request.message))) };
  },
  async verify(request) {
    const key = signal.PublicKey.deserialize(bytes(request.publicKey));
    return { valid: key.verify(bytes(request.message), bytes(request.signature)) };
  },
  async agree(request) {
    const shared = signal.PrivateKey.deserialize(bytes(request.priv)).agree(signal.PublicKey.deserialize(bytes(request.pub)));
    return { shared: hex(shared) };
  },
  async fingerprint(request) {
    const made = signal.Fingerprint.new(
      5200,
      2,
      text(request.localName),
      signal.PublicKey.deserialize(bytes(request.localKey)),
      text(request.remoteName),
      signal.PublicKey.deserialize(bytes(request.remoteKey)),
    );
    return {
      displayable: made.displayableFingerprint().toString(),
      scannable: hex(made.scannableFingerprint().toBuffer()),
    };
  },
  async session(request) {
    const record = user(request).sessions.records.get(name(peer(request)));
    return { record: record ? hex(record) : null };
  },
  // The rest is for tests.
  async archive(request) {
    const { sessions } = user(request);
    const record = await sessions.getSession(peer(request));
    record.archiveCurrentState();
    await sessions.saveSession(peer(request), record);
    return {};
  },
  async current(request) {
    const record = await user(request).sessions.getSession(peer(request));
    return { current: record !== null && record.hasCurrentState(now(request)) };
  },
  async policy(request) {
    const { identities, kyber } = user(request);
    identities.trusting = request.trusting;
    kyber.refusing = !request.permitting;
    return {};
  },
  async stock(request) {
    const { oneTime, kyber } = user(request);
    return { oneTime: [...oneTime.records.keys()], kyber: [...kyber.records.keys()] };
  },
  // Encrypts and decrypts on one chain between two users of this process, and says how long a message took, in microseconds.
  async measure(request) {
    const { from, to, count } = request;
    const [sender, receiver] = [users.get(from), users.get(to)];
    const plaintext = new Uint8Array(100);
    const messages = [];
    const started = process.hrtime.bigint();
    for (let index = 0; index < count; index += 1) {
      const message = await signal.signalEncrypt(
        plaintext,
        receiver.address,
        sender.address,
        sender.sessions,
        sender.identities,
      );
      messages.push(message.serialize());
    }
    const between = process.hrtime.bigint();
    for (const message of messages) {
      await signal.signalDecrypt(
        signal.SignalMessage.deserialize(message),
        sender.address,
        receiver.address,
        receiver.sessions,
        receiver.identities,
      );
    }
    const ended = process.hrtime.bigint();
    return { encryptMicros: Number(between - started) / 1000 / count, decryptMicros: Number(ended - between) / 1000 / count };
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    const command = commands[request.command];
    if (!command) throw new Error(`no command ${request.command}`);
    answer = await command(request);
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify({ id: request.id, ...answer })}\n`);
}
