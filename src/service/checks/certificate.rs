//! The certificate that the other processes of the cluster are shown, before it is too late: once it is no longer
//! valid no process connects to another one any more, which is noticed at the next restart only.

use crate::http::Part;
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::duration_short;
use tidemark_operators::time::Millis;

/// How long before its end a certificate is found.
const BEFORE: Millis = 14 * 24 * 60 * 60 * 1_000;

/// Finds the job when the certificate of its process ends soon.
#[derive(Debug)]
pub(crate) struct CertificateEnds;

impl HealthCheck for CertificateEnds {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let left = moment.certificate.map(|ends| ends.saturating_sub(moment.wall));
        let Some(left) = left.filter(|left| *left < BEFORE) else { return Vec::new() };
        let when = match left {
            0 => "is no longer valid".to_owned(),
            left => format!("is valid for {} more", duration_short(left)),
        };
        let text = format!(
            "the certificate that this process shows the others of the cluster {when}: connections that are open \
             go on, and none is made after its end. Put a new one, with its key, in the place of \
             tls_cert_file and tls_key_file in [cluster]: it is read anew, without a restart"
        );
        let component = moment.plan.name.clone();
        vec![Finding { part: Part::Job, component, reason: "certificate", text }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::checks::tests::{START, World};

    #[test]
    fn a_certificate_is_found_two_weeks_before_its_end_and_not_earlier() {
        let world = World::new();
        let found = |ends: Option<u64>| {
            CertificateEnds.look(&Moment { certificate: ends, ..world.moment(0) })
        };
        assert_eq!(found(None), []);
        assert_eq!(found(Some(START + BEFORE)), []);
        let soon = found(Some(START + BEFORE - 1));
        assert!(soon[0].text.contains("is valid for"), "{soon:?}");
        let over = found(Some(START));
        assert!(over[0].text.contains("is no longer valid"), "{over:?}");
    }
}
