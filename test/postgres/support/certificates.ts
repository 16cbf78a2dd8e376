import forge from 'node-forge';

/** A certificate and its private key, in PEM. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of our own, which no machine trusts by itself. */
export class Authority {
  readonly cert: string;
  readonly #keys = forge.pki.rsa.generateKeyPair(2048);
  readonly #name = [{ name: 'commonName', value: 'Clinic CA' }];
  #serial = 1;

  constructor() {
    this.cert = this.#issue(this.#name, this.#keys.publicKey, [{ name: 'basicConstraints', cA: true }]);
  }

  /** A certificate for a server's host, or for a role of the database. */
  certify(commonName: string): Certified {
    const keys = forge.pki.rsa.generateKeyPair(2048);
    const alternative = { name: 'subjectAltName', altNames: [{ type: 2, value: commonName }] };
    return {
      cert: this.#issue([{ name: 'commonName', value: commonName }], keys.publicKey, [alternative]),
      key: forge.pki.privateKeyToPem(keys.privateKey),
    };
  }

  #issue(
    subject: forge.pki.CertificateField[],
    publicKey: forge.pki.rsa.PublicKey,
    extensions: readonly object[],
  ): string {
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = publicKey;
    certificate.serialNumber = `0${this.#serial}`;
    this.#serial += 1;
    const day = 86_400_000;
    certificate.validity.notBefore = new Date(Date.now() - day);
    certificate.validity.notAfter = new Date(Date.now() + day);
    certificate.setSubject(subject);
    certificate.setIssuer(this.#name);
    certificate.setExtensions([...extensions]);
    certificate.sign(this.#keys.privateKey, forge.md.sha256.create());
    return forge.pki.certificateToPem(certificate);
  }
}
