//! Accounts: each way to prove one, a server that refuses it, and what an account may not do.

use app_config::SecretBytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::json;

use super::*;
use crate::config::Account;
use crate::transport::TransportError;

fn secret(text: &str) -> SecretBytes {
    SecretBytes::from(text.as_bytes().to_vec())
}

/// A stand that connects, or the reason why it does not.
async fn tried(server: &NatsServer, account: Account) -> Result<Stand, (String, String)> {
    let stand = stand(&MessagingConfig { account, ..config_of(&server.url()) }).await;
    if stand.is_connected() {
        return Ok(stand);
    }
    let told = (stand.trouble(), stand.log());
    stand.ends().await;
    Err(told)
}

/// A right account connects, and a wrong one is refused, with the field and without the secret.
async fn right_and_wrong(server: &NatsServer, right: Account, wrong: Account, field: &str, secret: &str) {
    let stand = tried(server, right).await.unwrap_or_else(|(why, _)| panic!("{field}: {why}"));
    stand.nats.publish(message("a", "1")).await.unwrap();
    stand.ends().await;
    let (why, log) = tried(server, wrong).await.err().unwrap();
    assert!(why.contains("refuses the account") && why.contains(field), "{why}");
    assert!(!why.contains(secret) && !log.contains(secret), "{log}");
    let (why, _) = tried(server, Account::None).await.err().unwrap();
    assert!(why.contains("the config has none of them"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_tokens_and_nkeys_are_proven_or_refused_with_the_field_of_the_config() {
    for program in NatsProgram::all() {
        let server = program.start_with("authorization { user: joe, password: hunter2 }");
        let user = |password: &str| Account::User("joe".to_owned(), secret(password));
        right_and_wrong(&server, user("hunter2"), user("wr0ng-secret"), "user and password", "wr0ng-secret")
            .await;
        let server = program.start_with("authorization { token: t0ken }");
        let token = |token: &str| Account::Token(secret(token));
        right_and_wrong(&server, token("t0ken"), token("wr0ng-secret"), "token", "wr0ng-secret").await;
        let key = KeyPair::new_user();
        let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public_key());
        let server = program.start_with(&users);
        let (seed, other) = (key.seed().unwrap(), KeyPair::new_user().seed().unwrap());
        let nkey = |seed: &str| Account::NkeySeed(secret(seed));
        right_and_wrong(&server, nkey(&seed), nkey(&other), "nkeySeed", &other).await;
    }
}

/// A JWT of NATS with these claims.
fn jwt(issuer: &KeyPair, subject: &KeyPair, name: &str, claims: serde_json::Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let body = json!({
        "jti": format!("{:x}", app_ids::random_u64()),
        "iat": 1_700_000_000,
        "iss": issuer.public_key(),
        "name": name,
        "sub": subject.public_key(),
        "nats": claims,
    });
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(body));
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credentials_file_is_proven_and_one_of_another_account_is_refused() {
    for program in NatsProgram::all() {
        let (operator, account, user) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
        let system = KeyPair::new_account();
        let limits = json!({ "subs": -1, "data": -1, "payload": -1 });
        let all = json!({
            "limits": { "subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1,
                "wildcards": true, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1 },
            "default_permissions": { "pub": {}, "sub": {} }, "type": "account", "version": 2,
        });
        let operator_jwt = jwt(&operator, &operator, "op", json!({ "type": "operator", "version": 2 }));
        let account_jwt = jwt(&operator, &account, "acc", all);
        let no_streams = json!({
            "limits": { "subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1,
                "wildcards": true },
            "default_permissions": { "pub": {}, "sub": {} }, "type": "account", "version": 2,
        });
        let system_jwt = jwt(&operator, &system, "sys", no_streams);
        let (account_id, system_id) = (account.public_key(), system.public_key());
        let config = format!(
            "operator: {operator_jwt}\nresolver: MEMORY\nsystem_account: {system_id}\n\
             resolver_preload: {{ {account_id}: {account_jwt}, {system_id}: {system_jwt} }}"
        );
        let server = program.start_with(&config);
        let file = |issuer: &KeyPair| {
            let claims = json!({ "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user",
                "version": 2, "limits": limits });
            let jwt = jwt(issuer, &user, "user", claims);
            Account::Credentials(secret(&format!(
                "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
                user.seed().unwrap()
            )))
        };
        let stranger = KeyPair::new_account();
        let seed = user.seed().unwrap();
        right_and_wrong(&server, file(&account), file(&stranger), "credentials", &seed).await;
    }
}

/// Permissions of a user `joe`.
fn permissions(text: &str) -> String {
    format!("authorization {{ users: [ {{ user: joe, password: hunter2, permissions: {{ {text} }} }} ] }}")
}

fn joe() -> Account {
    Account::User("joe".to_owned(), secret("hunter2"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_inbox_is_said_clearly_and_a_prefix_of_its_own_helps() {
    for program in NatsProgram::all() {
        let server = program.start_with(&permissions("subscribe: [\"mine.>\", \"a\"]"));
        let (why, _) = tried(&server, joe()).await.err().unwrap();
        assert!(why.contains("may not subscribe to _INBOX.") && why.contains("set inboxPrefix"), "{why}");
        let config =
            MessagingConfig { account: joe(), inbox_prefix: "mine".to_owned(), ..config_of(&server.url()) };
        let stand = stand(&config).await;
        assert!(stand.is_connected(), "{}", stand.trouble());
        filled(&stand.nats, 1).await;
        let mut pull = stand.nats.pull("s", "c", 1, SOON).await.unwrap();
        assert!(pull.next().await.unwrap().is_some());
        drop(pull);
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_may_not_do_is_refused_at_once_with_the_words_of_the_server() {
    for program in NatsProgram::all() {
        let server = program.start_with(&permissions(
            "publish: { deny: [\"secret.>\", \"$JS.API.STREAM.CREATE.no\"] }, subscribe: { deny: [\"secret.>\"] }",
        ));
        let stand = stand(&MessagingConfig { account: joe(), ..config_of(&server.url()) }).await;
        stand.connects().await;
        let began = Instant::now();
        for call in [
            stand.nats.store(message("secret.x", "1"), PATIENCE * 4).await.map(drop),
            stand.nats.request(message("secret.y", "1"), PATIENCE * 4).await.map(drop),
            stand.nats.put_stream(stream("no"), false).await,
        ] {
            let refused = call.unwrap_err();
            assert!(
                matches!(&refused, TransportError::Refused(why) if why.contains("Permissions Violation")),
                "{refused}"
            );
        }
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        let _denied = stand.nats.subscribe("secret.z".to_owned(), None, 1).await.unwrap();
        until("trouble", || stand.trouble().contains("may not subscribe to secret.z")).await;
        // Nothing else suffers.
        filled(&stand.nats, 1).await;
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_may_not_send_to_its_own_inbox_works() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start_with(&permissions("publish: { deny: [\"_INBOX.>\"] }"));
    let stand = stand(&MessagingConfig { account: joe(), ..config_of(&server.url()) }).await;
    assert!(stand.is_connected(), "{}", stand.trouble());
    filled(&stand.nats, 1).await;
    stand.ends().await;
}
