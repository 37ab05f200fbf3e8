//! The model: its good behaviour, what it refuses, and every scripted reply.

use std::time::Duration;

use market_sim::model::{ModelConfig, ModelReply, ModelServer};
use market_sim::wait::eventually;
use serde_json::{Value, json};

use crate::support::{SOON, client};

const TOOLS: [&str; 2] = ["depth_snapshot_analysis", "orderflow_analysis"];

async fn server() -> ModelServer {
    ModelServer::start(ModelConfig::default()).await.unwrap()
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "Looks.", "parameters": {
        "type": "object", "additionalProperties": false, "required": ["symbol", "levels"],
        "properties": {"symbol": {"type": "string"}, "levels": {"type": "integer", "minimum": 1, "maximum": 50}}}}})
}

fn request() -> Value {
    json!({
        "model": "deepseek-flash", "thinking": {"type": "disabled"}, "temperature": 0.1, "max_tokens": 4000,
        "messages": [{"role": "system", "content": "Answer in json."}, {"role": "user", "content": "Now?"}],
        "tools": TOOLS.map(tool), "tool_choice": "auto",
    })
}

/// The request that follows an answer with tool calls.
fn with_results(mut request: Value, answer: &Value, results: &[Value]) -> Value {
    let message = answer["choices"][0]["message"].clone();
    let messages = request["messages"].as_array_mut().unwrap();
    messages.push(message.clone());
    for (call, result) in message["tool_calls"].as_array().unwrap().iter().zip(results) {
        messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": result.to_string()}));
    }
    request
}

async fn post(server: &ModelServer, body: &Value) -> (u16, String) {
    let response = client()
        .post(format!("{}/chat/completions", server.url()))
        .json(body)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn complete(server: &ModelServer, body: &Value) -> Value {
    let (status, text) = post(server, body).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_good_model_calls_both_tools_and_then_advises_at_a_level_it_was_given() {
    let server = server().await;
    let first = complete(&server, &request()).await;
    let choice = &first["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert!(
        calls
            .iter()
            .map(|call| call["function"]["name"].as_str().unwrap())
            .eq(TOOLS)
    );
    let arguments: Value = serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"symbol": "BTCFDUSD", "levels": 20}));

    let depth = json!({
        "best_bid": 110_150.0, "best_ask": 110_153.0,
        "support_levels": [{"price": 110_100, "strength": 0.5, "volume": 3}, {"price": 110_136, "strength": 0.82, "volume": 9}],
        "resistance_levels": [{"price": 110_200, "strength": 0.6, "volume": 4}],
    });
    let flow = json!({"poc_levels": [110_150]});
    let second = complete(&server, &with_results(request(), &first, &[depth, flow])).await;
    let choice = &second["choices"][0];
    assert_eq!(choice["finish_reason"], "stop");
    let advice: Value = serde_json::from_str(choice["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&advice["action"], &advice["price_range"]),
        (&json!("BUY"), &json!([110_132.0, 110_140.0]))
    );
    let usage = &second["usage"];
    let number = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!(
        number("prompt_tokens"),
        number("prompt_cache_hit_tokens") + number("prompt_cache_miss_tokens")
    );
    assert_eq!(
        number("total_tokens"),
        number("prompt_tokens") + number("completion_tokens")
    );
    assert!(number("prompt_cache_hit_tokens") > 0);
    assert_eq!(server.stats().model_calls(), 2);
    assert_eq!(server.requests()[0].body, request());
    let all: u64 = [&first, &second]
        .iter()
        .map(|answer| answer["usage"]["total_tokens"].as_u64().unwrap())
        .sum();
    assert_eq!(server.stats().tokens(), all);
    let stats = server.stats();
    assert_eq!((stats.model_answers(), stats.model_refusals()), (2, 0));
    assert!(stats.cached_tokens() > 0);
    let stated = stats.cached_tokens() + stats.input_tokens() + stats.output_tokens();
    assert_eq!(stated, all);
}

#[tokio::test]
async fn answers_refusals_and_what_was_cut_off_are_counted_apart() {
    let server = server().await;
    server.script().next(ModelReply::Cut(50));
    let url = format!("{}/chat/completions", server.url());
    let cut = client().post(&url).json(&request()).send().await.unwrap();
    assert!(cut.text().await.is_err());
    let stats = server.stats();
    let stated = || stats.cached_tokens() + stats.input_tokens() + stats.output_tokens();
    assert!(stats.tokens() > 0);
    assert_eq!((stats.model_answers(), stated()), (0, 0));
    for (reply, refusals) in [
        (ModelReply::unauthorized(), 1),
        (ModelReply::rate_limited(None), 2),
        (ModelReply::error(503, "busy"), 2),
        (ModelReply::body("<html>"), 2),
    ] {
        server.script().next(reply);
        let _answered = post(&server, &request()).await;
        assert_eq!((stats.model_answers(), stats.model_refusals()), (0, refusals));
    }
    assert_eq!(stats.model_calls(), 5);
}

#[tokio::test]
async fn a_good_model_does_not_lean_on_a_fleeting_wall() {
    let server = server().await;
    let first = complete(&server, &request()).await;
    let depth = json!({
        "best_bid": 110_150.0, "best_ask": 110_153.0,
        "support_levels": [{"price": 110_100, "strength": 0.5, "fleeting": false},
                           {"price": 110_136, "strength": 0.9, "fleeting": true}],
    });
    let second = complete(&server, &with_results(request(), &first, &[depth, json!({})])).await;
    let advice = second["choices"][0]["message"]["content"].as_str().unwrap();
    let advice: Value = serde_json::from_str(advice).unwrap();
    assert_eq!(advice["price_range"], json!([110_096.0, 110_104.0]));
}

#[tokio::test]
async fn a_request_the_real_endpoint_refuses_is_refused() {
    let server = server().await;
    let first = complete(&server, &request()).await;
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut body = request();
        edit(&mut body);
        body
    };
    let one_result = with_results(request(), &first, &[json!({})]);
    let mut interrupted = one_result.clone();
    interrupted["messages"]
        .as_array_mut()
        .unwrap()
        .push(json!({"role": "user", "content": "?"}));
    let no_json = edited(&|body| {
        body["messages"] = json!([{"role": "user", "content": "Now?"}]);
        body["response_format"] = json!({"type": "json_object"});
    });
    let thinking = edited(&|body| {
        body["thinking"] = json!({"type": "enabled"});
        body["messages"]
            .as_array_mut()
            .unwrap()
            .push(json!({"role": "assistant", "content": "x"}));
    });
    for (body, status, text) in [
        (
            edited(&|body| body["model"] = json!("deepseek-chat")),
            400,
            "The supported API model names are deepseek-flash, deepseek-v4-pro, but you passed deepseek-chat.",
        ),
        (one_result, 400, "must be followed by tool messages"),
        (interrupted, 400, "must be followed by tool messages"),
        (no_json, 400, "Prompt must contain the word 'json'"),
        (
            edited(&|body| body["response_format"] = json!({"type": "json_schema"})),
            400,
            "response_format type is unavailable",
        ),
        (
            edited(&|body| {
                body["thinking"] = json!({"type": "enabled"});
                body["tool_choice"] = json!("required");
            }),
            400,
            "Thinking mode does not support this tool_choice",
        ),
        (
            edited(&|body| {
                body.as_object_mut().unwrap().remove("thinking");
                body["tool_choice"] = json!("required");
            }),
            400,
            "Thinking mode does not support this tool_choice",
        ),
        (thinking, 400, "reasoning_content"),
        (edited(&|body| body["max_tokens"] = json!(0)), 400, "max_tokens"),
        (
            edited(&|body| body["temperature"] = json!(2.5)),
            400,
            "temperature",
        ),
        (
            edited(&|body| body["stream_options"] = json!({})),
            400,
            "stream_options",
        ),
        (
            edited(&|body| body["tools"] = json!([tool("a"), tool("a")])),
            400,
            "unique",
        ),
        (
            edited(&|body| body["user_id"] = json!("not allowed!")),
            400,
            "user_id",
        ),
        (edited(&|body| body["messages"] = json!([])), 400, "Empty input"),
        (
            edited(&|body| body["messages"] = json!([{"role": "user"}])),
            422,
            "Failed to deserialize",
        ),
        (
            edited(&|body| {
                body.as_object_mut().unwrap().remove("model");
            }),
            422,
            "missing field `model`",
        ),
    ] {
        let (answered, answer) = post(&server, &body).await;
        assert_eq!(answered, status, "{answer}");
        assert!(answer.contains(text), "{answer}");
    }
    let forced = edited(&|body| body["tool_choice"] = json!("required"));
    complete(&server, &forced).await;
}

#[tokio::test]
async fn the_key_the_balance_and_the_models_are_those_of_an_account() {
    let config = ModelConfig {
        api_key: Some("sk-test".to_owned()),
        ..ModelConfig::default()
    };
    let server = ModelServer::start(config).await.unwrap();
    assert_eq!(post(&server, &request()).await.0, 401);
    let base = server.url();
    let get = async |path: &str, key: &str| {
        let response = client()
            .get(format!("{base}{path}"))
            .bearer_auth(key)
            .send()
            .await
            .unwrap();
        (
            response.status().as_u16(),
            response.json::<Value>().await.unwrap(),
        )
    };
    assert_eq!(get("/models", "wrong").await.0, 401);
    let (status, models) = get("/models", "sk-test").await;
    assert_eq!(
        (status, &models["data"][0]["id"]),
        (200, &json!("deepseek-flash"))
    );
    assert_eq!(get("/user/balance", "sk-test").await.1["is_available"], true);
    server.set_broke(true);
    assert_eq!(get("/user/balance", "sk-test").await.1["is_available"], false);
    server.set_broke(false);
    let without_version = server.url().replace("/v1", "/chat/completions");
    let response = client()
        .post(without_version)
        .bearer_auth("sk-test")
        .json(&request())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    server.set_broke(true);
    let response = client()
        .post(format!("{}/chat/completions", server.url()))
        .bearer_auth("sk-test")
        .json(&request())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 402);
}

#[tokio::test]
async fn too_many_requests_at_once_are_refused_until_one_has_gone() {
    let config = ModelConfig {
        concurrency: 1,
        ..ModelConfig::default()
    };
    let server = ModelServer::start(config).await.unwrap();
    server.script().next(ModelReply::Hang);
    let body = request();
    let hung = post(&server, &body);
    let hurried = async {
        eventually("the first request has come", SOON, async || {
            server.stats().model_calls() == 1
        })
        .await
        .unwrap();
        post(&server, &body).await.0
    };
    let status = tokio::select! {
        _never = hung => unreachable!(),
        status = hurried => status,
    };
    assert_eq!(status, 429);
    eventually("the first request is gone", SOON, async || {
        post(&server, &body).await.0 == 200
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn every_scripted_reply_comes_as_written() {
    let server = server().await;
    let pause = Duration::from_millis(1);
    let quick = |reply: ModelReply| Box::new(reply);
    for (reply, status, part) in [
        (ModelReply::blank_content(), 200, "\"content\":\"        \""),
        (ModelReply::dsml(), 200, "DSML"),
        (ModelReply::Fenced, 200, "```json"),
        (
            ModelReply::invalid_arguments("depth_snapshot_analysis"),
            200,
            "BTCFDUSD, ",
        ),
        (ModelReply::unknown_tool(), 200, "place_order"),
        (
            ModelReply::finish_reason("insufficient_system_resource"),
            200,
            "\"finish_reason\":\"insufficient_system_resource\"",
        ),
        (ModelReply::finish_reason(""), 200, "\"finish_reason\":\"\""),
        (ModelReply::OnlyReasoning, 200, "\"reasoning_content\":\"{"),
        (
            ModelReply::AnswerWith(json!({"action": "MAYBE", "confidence": "high"})),
            200,
            "MAYBE",
        ),
        (ModelReply::json(&json!({"action": 7})), 200, "{\\\"action\\\":7}"),
        (ModelReply::unauthorized(), 401, "****cdef"),
        (ModelReply::no_balance(), 402, "Insufficient Balance"),
        (ModelReply::unprocessable_text(), 422, "Failed to deserialize"),
        (ModelReply::rate_limited(Some(3600)), 429, "Rate limit"),
        (ModelReply::bad_gateway_html(), 502, "<html>"),
        (ModelReply::error(503, "overloaded"), 503, "overloaded"),
        (ModelReply::body("no json"), 200, "no json"),
        (
            ModelReply::BlankLinesThen {
                lines: 3,
                pause,
                then: quick(ModelReply::text("late")),
            },
            200,
            "\n\n\n{",
        ),
        (ModelReply::BlankLines { lines: 3, pause }, 200, "\n\n\n"),
        (
            ModelReply::Trickle {
                chunk: 100,
                pause,
                reply: quick(ModelReply::text("slow")),
            },
            200,
            "slow",
        ),
        (
            ModelReply::Delayed(pause, quick(ModelReply::text("after all"))),
            200,
            "after all",
        ),
    ] {
        server.script().next(reply.clone());
        let (answered, text) = post(&server, &request()).await;
        assert_eq!(answered, status, "{reply:?}: {text}");
        assert!(text.contains(part), "{reply:?}: {text}");
    }
    server.script().next(ModelReply::Cut(50));
    let url = format!("{}/chat/completions", server.url());
    let cut = client().post(&url).json(&request()).send().await.unwrap();
    assert!(cut.text().await.is_err());
    server.script().next(ModelReply::Hang);
    let hung = client().post(&url).json(&request()).send();
    assert!(
        tokio::time::timeout(Duration::from_millis(100), hung)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_reply_waits_for_its_phase_and_endless_calls_never_end() {
    let server = server().await;
    server.script().next_final(ModelReply::text("scripted"));
    let first = complete(&server, &request()).await;
    assert_eq!(first["choices"][0]["finish_reason"], "tool_calls");
    let next = with_results(request(), &first, &[json!({}), json!({})]);
    let second = complete(&server, &next).await;
    assert_eq!(second["choices"][0]["message"]["content"], "scripted");
    server
        .script()
        .always(ModelReply::tool_calls(&[("orderflow_analysis", "{}")]));
    for _ in 0..3 {
        assert_eq!(
            complete(&server, &next).await["choices"][0]["finish_reason"],
            "tool_calls"
        );
    }
    server.script().clear();
    let third = complete(&server, &next).await;
    assert!(
        third["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .contains("HOLD")
    );
}
