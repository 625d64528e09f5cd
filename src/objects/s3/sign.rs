//! Signatures of requests: AWS Signature Version 4.

use crate::text::hex;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use std::fmt::Write as _;

/// Who signs, and for what.
#[derive(Clone, Copy)]
pub(super) struct Signing<'a> {
    pub access_key: &'a str,
    pub secret_key: &'a str,
    pub region: &'a str,
}

/// What of a request is signed.
pub(super) struct Signed<'a> {
    pub method: &'a str,
    /// As it is sent, with what must be escaped.
    pub path: &'a str,
    /// As it is sent: sorted.
    pub query: &'a str,
    /// In the order of their names, which are lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body's SHA-256, in hexadecimal digits.
    pub body: &'a str,
    /// `20130524T000000Z`
    pub time: &'a str,
}

/// The value of the header `Authorization`.
pub(super) fn authorization(
    signing: Signing<'_>,
    signed: &Signed<'_>,
) -> Result<String, ErrorStack> {
    let Signed { method, path, query, headers, body, time } = signed;
    let date = time.get(..8).unwrap_or(time);
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut request = format!("{method}\n{path}\n{query}\n");
    for (name, value) in *headers {
        // Writing to a string does not fail.
        let _ = writeln!(request, "{name}:{}", value.trim());
    }
    let _ = write!(request, "\n{names}\n{body}");
    let scope = format!("{date}/{}/s3/aws4_request", signing.region);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", digest(request.as_bytes()));
    let mut key = format!("AWS4{}", signing.secret_key).into_bytes();
    for part in [date, signing.region, "s3", "aws4_request"] {
        key = hmac(&key, part.as_bytes())?;
    }
    let signature = hex(&hmac(&key, text.as_bytes())?);
    let access = signing.access_key;
    Ok(format!(
        "AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={signature}"
    ))
}

fn hmac(key: &[u8], text: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(key)?;
    Signer::new(MessageDigest::sha256(), &key)?.sign_oneshot_to_vec(text)
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_as_the_documentation_of_s3_does() {
        // "GET Object" of "Signature calculations for the authorization header".
        let signing = Signing {
            access_key: "AKIAIOSFODNN7EXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
        };
        let body = digest(b"");
        let signed = Signed {
            method: "GET",
            path: "/test.txt",
            query: "",
            headers: &[
                ("host", "examplebucket.s3.amazonaws.com"),
                ("range", "bytes=0-9"),
                ("x-amz-content-sha256", &body),
                ("x-amz-date", "20130524T000000Z"),
            ],
            body: &body,
            time: "20130524T000000Z",
        };
        let expected = "AWS4-HMAC-SHA256 \
            Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
            SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
            Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(authorization(signing, &signed).unwrap(), expected);
    }
}
