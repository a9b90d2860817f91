//! DNS: a query over UDP is answered without an error, with what is expected among the answers (RFC 1035).

use super::peer::Peer;
use super::udp::{LARGEST, ill, socket};
use super::{Failure, Stage};
use config::health::DnsCheck;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use std::str::FromStr;

pub(super) async fn check(peer: &Peer, dns: &DnsCheck, stage: &Stage) -> Result<(), Failure> {
    let not_made = |error| format!("the query for {} can't be made: {error}", dns.name);
    let name = Name::from_str(&dns.name).map_err(|error| not_made(error.to_string()))?;
    let kind = RecordType::from_str(dns.record.name()).map_err(|error| not_made(error.to_string()))?;
    let mut query = Message::new();
    query.set_id(fastrand::u16(..)).set_message_type(MessageType::Query).set_op_code(OpCode::Query);
    query.set_recursion_desired(true).add_query(Query::query(name, kind));
    let bytes = query.to_vec().map_err(|error| not_made(error.to_string()))?;
    let (socket, address) = (socket(peer).await?, peer.name);
    socket.send(&bytes).await.map_err(|error| ill(&error, address))?;
    stage.reach("no answer to the query");
    let mut answer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut answer).await.map_err(|error| ill(&error, address))?;
        let Ok(message) = Message::from_vec(answer.get(..length).unwrap_or_default()) else {
            stage.reach("an answer to the query that is not DNS, and no other");
            continue;
        };
        if message.id() == query.id() && message.message_type() == MessageType::Response {
            return judge(&message, dns, kind);
        }
    }
}

fn judge(message: &Message, dns: &DnsCheck, kind: RecordType) -> Result<(), Failure> {
    let asked = format!("{} {}", dns.name, dns.record.name());
    if message.response_code() != ResponseCode::NoError {
        return Err(format!("the query for {asked} is answered with {}", message.response_code()));
    }
    let found: Vec<String> = message
        .answers()
        .iter()
        .filter(|record| record.record_type() == kind)
        .map(|record| match record.data() {
            RData::MX(mx) => mx.exchange().to_string(),
            RData::SOA(soa) => soa.mname().to_string(),
            data => data.to_string(),
        })
        .collect();
    let same = |a: &str, b: &str| a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'));
    if found.is_empty() && !message.truncated() {
        return Err(format!("the answer for {asked} has no such record"));
    }
    match dns.answers.iter().find(|wanted| !found.iter().any(|has| same(has, wanted))) {
        None => Ok(()),
        Some(_) if message.truncated() => {
            Err(format!("the answer for {asked} is too long for UDP; ask for a name with fewer records"))
        }
        Some(wanted) => Err(format!("the answer for {asked} is {}, without {wanted}", found.join(", "))),
    }
}
